# The router from its sources: Deno, main.ts with what it imports, and the packages that deno.lock pins. The final
# image has no shell and no package manager, and does not run as root.
#
#   docker build -t twinrouter .
#   docker run -v ./events.yaml:/etc/twinrouter/events.yaml:ro -e DATABASE_URL -p 8080:8080 twinrouter
#   docker run -v ./events.yaml:/etc/twinrouter/events.yaml:ro -e DATABASE_URL --rm twinrouter check
#
# From outside the container /livez, /readyz and /metrics are reached only with `http: { host: 0.0.0.0 }`.
ARG DENO_VERSION=2.9.6

FROM denoland/deno:${DENO_VERSION} AS build
ENV DENO_DIR=/deno-dir
WORKDIR /app
COPY deno.json deno.lock main.ts ./
COPY src src
COPY sinks sinks
COPY deploy/livez.ts deploy/
RUN deno install --frozen --entrypoint main.ts \
  && mkdir /state \
  && chmod -R a+rX /app /deno-dir

FROM denoland/deno:distroless-${DENO_VERSION}
ENV DENO_DIR=/deno-dir \
  DENO_NO_UPDATE_CHECK=1 \
  NO_COLOR=1 \
  TWINROUTER_CONFIG=/etc/twinrouter/events.yaml
COPY --from=build /deno-dir /deno-dir
COPY --from=build /app /app
# What the router writes: dead letters, and the files of file sinks. Name it in the configuration, and mount it.
COPY --from=build --chown=65532:65532 /state /var/lib/twinrouter
WORKDIR /var/lib/twinrouter
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["/bin/deno", "run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--allow-net=127.0.0.1", "/app/deploy/livez.ts"]
ENTRYPOINT ["/bin/deno", "run", "--quiet", "--no-prompt", "--cached-only", "--frozen", \
  "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=50", \
  "--allow-net", "--allow-read", "--allow-write=/var/lib/twinrouter", "--allow-env", "--allow-sys", "/app/main.ts"]
CMD ["run"]
