# Short names for the commands of this repository; each also works typed out. `just --list` shows them.

# tell the whole story on a regtest node, and leave the service running
demo *ARGS:
    ./regtest/demo {{ ARGS }}

# everything that is tested, on a real node too
test *ARGS:
    ./regtest/test {{ ARGS }}

# what CI runs
ci:
    bash .ci/run

# build what browsers are given, into src/web/static
client:
    cd src/web/client && PATH="$(../../../regtest/get-node):$PATH" && npm ci --ignore-scripts && npm run check && npm run build

# format
fmt:
    cargo fmt

# what CI complains about, without the tests
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features --lib -- -D warnings

# the API docs, warnings refused
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

# licences, sources and duplicate versions (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# a regtest node and Electrum server until Ctrl-C
up *ARGS:
    ./regtest/up {{ ARGS }}

# stop what `just up --detach` started
down DIR:
    ./regtest/down {{ DIR }}
