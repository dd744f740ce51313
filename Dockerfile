# The daemon and the worker, without a database: give EGALIGN_DATABASE_URL (docker-compose.yml does).
# Packages come from the file `packages`, which ./quickstart reads too.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY packages .
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        $(awk '$1 == "build" { print $2 }' packages) \
    && rm -rf /var/lib/apt/lists/*
COPY Makefile ./
COPY migrations migrations
COPY src src
COPY web web
ARG REVISION=unknown
RUN make -j"$(nproc)" REVISION="${REVISION}" && make install REVISION="${REVISION}" DESTDIR=/out

FROM ${BASE}
COPY packages /tmp/packages
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        $(awk '$1 == "image" { print $2 }' /tmp/packages) \
    && rm -rf /var/lib/apt/lists/* /tmp/packages \
    && useradd --system --uid 10001 --home-dir /var/lib/egalign --create-home --shell /usr/sbin/nologin egalign \
    && install -d -o egalign -g egalign /var/lib/egalign/models
COPY --from=build /out /
USER egalign
ENV EGALIGN_LISTEN_ADDRESS=0.0.0.0 EGALIGN_DATA_DIR=/var/lib/egalign
VOLUME /var/lib/egalign
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["curl", "-fsS", "-o", "/dev/null", "--max-time", "4", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["egalign"]
CMD ["serve"]
