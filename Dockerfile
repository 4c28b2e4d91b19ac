# The service in a container. UNVERIFIED: written where no container could be built or run; the binary is the one that
# `cargo build --release` makes, which is tested.
#
#   docker build -t upfront .
#   docker run --init -p 127.0.0.1:8080:8080 -v upfront:/var/lib/upfront -e UPFRONT_NETWORK=signet \
#     -e UPFRONT_ELECTRUM=tcp://your.electrum.server:50001 -e UPFRONT_PUBLIC_URL=https://your.site upfront
#
# Everything that must survive lies in /var/lib/upfront: back up that volume.

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
RUN useradd --system --uid 10001 --home-dir /var/lib/upfront --create-home --shell /usr/sbin/nologin upfront \
    && chmod 700 /var/lib/upfront
COPY --from=build /out/upfront /usr/local/bin/upfront
COPY LICENSE /usr/share/doc/upfront/LICENSE
USER upfront
WORKDIR /var/lib/upfront
VOLUME /var/lib/upfront
# Network, Electrum server and public URL have no defaults: a wrong guess would be about money.
ENV UPFRONT_DATA_DIR=/var/lib/upfront UPFRONT_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["upfront"]
CMD ["serve"]
