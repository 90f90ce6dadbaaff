# The image of all daemons: compiled in one stage, run in another that has neither compiler nor sources.
#   docker build -t postcall . && docker run --rm postcall postcall-ingress --help
# One image for all, since what they share (Debian, libzmq, libcurl) is forty times what each adds.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
  g++ gcc cmake ninja-build pkg-config libzmq3-dev libczmq-dev libmicrohttpd-dev libcurl4-openssl-dev libmsgpack-dev \
  libsimdjson-dev libpq-dev libssl-dev >/dev/null
WORKDIR /postcall
COPY . .
RUN cmake --preset release -DPOSTCALL_TESTS=OFF >/dev/null && cmake --build build/release && \
  mkdir out && cp build/release/bin/postcall-* out/ && strip out/*

FROM ${BASE_IMAGE}
# The project's version; CMakeLists.txt has it, and a build with another one fails below.
ARG VERSION=0.1.0
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
  ca-certificates libzmq5 libczmq4 libmicrohttpd12 libcurl4 libmsgpackc2 libsimdjson14 libpq5 libssl3 >/dev/null && \
  rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
# The number is fixed, so that files on a volume keep their owner from one image to the next.
RUN groupadd --gid 10003 postcall && useradd --uid 10003 --gid 10003 --no-create-home --home-dir /nonexistent \
  --shell /usr/sbin/nologin postcall && \
  install -d -o postcall -g postcall -m 0700 \
  /var/lib/postcall /var/lib/postcall-replay /var/lib/postcall-keys
COPY --from=build /postcall/out/ /usr/bin/
RUN postcall-ingress --version | grep -qxF "postcall-ingress ${VERSION}"
LABEL org.opencontainers.image.title=postcall \
  org.opencontainers.image.description="Receives the webhooks of voice-AI calls and delivers each call to its tenant's sinks" \
  org.opencontainers.image.version=${VERSION} \
  org.opencontainers.image.licenses=MIT
ENV INGRESS_DATA_DIR=/var/lib/postcall
USER 10003:10003
WORKDIR /var/lib/postcall
# Whichever daemon the container runs: it asks itself, at the address that its settings give.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/proc/1/exe", "--check-ready"]
# The daemons drain within 8 s of SIGTERM (*_DRAIN_SECONDS), before docker stop's 10 s are over.
STOPSIGNAL SIGTERM
CMD ["postcall-ingress"]
