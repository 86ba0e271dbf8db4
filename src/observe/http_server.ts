import type { Health } from "./health.ts";
import { logOf } from "./log.ts";
import { messageOf } from "./message_of.ts";
import type { Metrics } from "./metrics.ts";

/** How long answers under way may take when the server stops, in milliseconds. */
const PATIENCE = 1_000;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: Metrics;
}

/** The server for whoever watches the router. It listens until it is disposed of. */
export interface HttpServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
}

/**
 * Serves `/livez`, `/readyz`, `/metrics`, and an index of them at `/`, to GET and HEAD.
 * @throws {Error} when the address cannot be listened on
 */
export function startHttpServer({ host, port, health, metrics }: HttpServerOptions): HttpServer {
  const log = logOf("http");
  const aborter = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: host,
      port,
      signal: aborter.signal,
      onListen: () => {},
      onError(error) {
        log.error("Cannot answer a request", { error });
        return text(500, "Internal error\n");
      },
    }, (request) => answer(request, health, metrics));
  } catch (error) {
    throw new Error(`Cannot serve ${urlOf(host, port)}: ${obstacle(error)}`, { cause: error });
  }
  return {
    url: urlOf(host, server.addr.port),
    async [Symbol.asyncDispose]() {
      const impatience = setTimeout(() => aborter.abort(), PATIENCE);
      await server.shutdown();
      clearTimeout(impatience);
    },
  };
}

async function answer(request: Request, health: Health, metrics: Metrics): Promise<Response> {
  const { pathname } = new URL(request.url);
  const page = PAGES.get(pathname);
  if (!page) return text(404, "Not found\n");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text(405, "Only GET and HEAD\n", { allow: "GET, HEAD" });
  }
  return await page(health, metrics);
}

type Page = (health: Health, metrics: Metrics) => Response | Promise<Response>;

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ["/", () => text(200, INDEX)],
  ["/livez", () => text(200, "ok\n")],
  ["/readyz", readiness],
  [
    "/metrics",
    async (_, { registry }) => text(200, await registry.metrics(), { "content-type": registry.contentType }),
  ],
]);

const INDEX = `Twinrouter

/livez    200 while the program runs
/readyz   200 while changes stream in and every sink is connected or parked, else 503; how each part is doing
/metrics  for Prometheus
`;

function readiness(health: Health): Response {
  const report = health.report();
  const body = `${JSON.stringify(report, null, 2)}\n`;
  return text(report.ready ? 200 : 503, body, { "content-type": "application/json" });
}

function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
  });
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function obstacle(error: unknown): string {
  const remedy = "choose another with events.config.http, or turn it off with http: false";
  if (error instanceof Deno.errors.AddrInUse) return `the port is in use; ${remedy}`;
  if (error instanceof Deno.errors.AddrNotAvailable) return `this machine has no such address; ${remedy}`;
  if (error instanceof Deno.errors.PermissionDenied) return `permission denied; ${remedy}`;
  if (error instanceof Deno.errors.NotCapable) return "not allowed by --allow-net";
  return messageOf(error);
}
