# Two images from one file: `docker build .` makes the service, `--target simulator` a Genesys Cloud
# for trying it out. The base is pinned by its exact version; whoever builds for production should
# add the digest that their registry shows for this tag (`@sha256:…`).
FROM node:24.21.0-trixie-slim AS base
WORKDIR /app

# No devDependencies (one of them is a whole Node), no install scripts: nothing here needs one.
FROM base AS dependencies
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM base AS simulator
LABEL org.opencontainers.image.title="genesys-permission-check-simulator" \
      org.opencontainers.image.description="A Genesys Cloud for demo and tests; never for production." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY simulator ./simulator
ENV SIMULATOR_HOST=0.0.0.0 \
    SIMULATOR_PORT=9000 \
    SIMULATOR_USERS=1000
EXPOSE 9000
# The `node` user of the base image, as a number: "runs as non-root" can then be checked.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.SIMULATOR_PORT + '/simulator/faults', { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "simulator/main.ts"]

# Code belongs to root and is not writable for the process; the volume is all that it may write.
FROM base AS service
LABEL org.opencontainers.image.title="genesys-permission-check" \
      org.opencontainers.image.description="Knows what every user of a Genesys Cloud organisation may do, and answers in memory." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
RUN install -d -o 1000 -g 1000 -m 0700 /var/lib/permission-check
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY openapi ./openapi
COPY bin ./bin
COPY src ./src
# `docker exec CONTAINER permctl …`, or the image's command.
RUN ln -s /app/bin/permctl /usr/local/bin/permctl
# All addresses of the container: what is reachable from outside is decided by whoever runs it.
# AUTH=none is refused with these, so the service needs keys or a token issuer to start.
ENV HOST=0.0.0.0 \
    PORT=8080 \
    ADMIN_HOST=0.0.0.0 \
    ADMIN_PORT=8081 \
    DATA_DIR=/var/lib/permission-check
EXPOSE 8080 8081
VOLUME ["/var/lib/permission-check"]
USER 1000:1000
STOPSIGNAL SIGTERM
# Live, not ready: an instance without a servable matrix must be left to rebuild, not restarted. On
# the admin listener, which speaks plain HTTP whether or not the check listener has a certificate.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.ADMIN_PORT + '/health/live', { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# See "Scheduling" in the README: what the reading thread throws away is collected in that thread.
CMD ["node", "--no-parallel-scavenge", "src/main.ts"]
