# syntax=docker/dockerfile:1
# The service in a container. UNVERIFIED: written where no container could be built or run. What it runs is the binary
# that `cargo build --release` makes, which is tested; the health check's command was tried outside a container.
#
#   docker build -t upfront .
#   docker run --init --stop-timeout 90 -p 127.0.0.1:8032:8032 -v upfront:/var/lib/upfront -e UPFRONT_NETWORK=signet \
#     -e UPFRONT_ELECTRUM=tcp://your.electrum.server:60601 -e UPFRONT_PUBLIC_URL=https://your.site upfront
#
# Everything that must survive lies in /var/lib/upfront: back up that volume. The fee wallet, before the first start:
#
#   docker run --rm -it -v upfront:/var/lib/upfront upfront wallet new --data-dir /var/lib/upfront --network signet
#
# then mount a file with its passphrase, readable by user 10001, and name it in UPFRONT_WALLET_PASSPHRASE_FILE.
#
# Mind that through a published port all clients may come from one address, the bridge's: give the proxy in front a
# place in UPFRONT_API_TRUSTED_PROXIES, and set UPFRONT_MAX_CONNECTIONS_PER_ADDRESS=0. /metrics answers only from
# inside the container, or on UPFRONT_METRICS_LISTEN=0.0.0.0:9832, which is not to be published.

FROM rust:1-slim-bookworm AS build
# A C compiler is all that the C parts (libsecp256k1, ring) ask for.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The binary is copied out in the same step: the cached target directory is no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin upfront \
    && install -D --strip target/release/upfront /out/upfront

# Only glibc is linked dynamically; TLS and its roots are in the binary, so nothing more is installed.
FROM debian:bookworm-slim
RUN useradd --uid 10001 --home-dir /var/lib/upfront --create-home --shell /usr/sbin/nologin upfront \
    && chmod 700 /var/lib/upfront
COPY --from=build /out/upfront /usr/local/bin/upfront
COPY LICENSE src/web/static/licences.txt /usr/share/doc/upfront/
USER upfront
WORKDIR /var/lib/upfront
VOLUME /var/lib/upfront
# Network, Electrum server and public URL have no defaults here: a wrong guess would be about money.
ENV UPFRONT_DATA_DIR=/var/lib/upfront UPFRONT_LISTEN=0.0.0.0:8032
EXPOSE 8032
# Whether it is alive, not whether it is ready: a full disk or a lost server is not mended by another container.
# bash opens the connection, as the image has no HTTP client.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8032 && printf 'GET /health HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
# Ends in order: what is under way gets 30 s (UPFRONT_SHUTDOWN_TIMEOUT_SECS), then the journal is flushed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["upfront"]
CMD ["serve"]
