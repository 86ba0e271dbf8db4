import assert from "node:assert/strict";
import process from "node:process";
import { Health, type PartState } from "../../src/observe/health.ts";
import { startHttpServer } from "../../src/observe/http_server.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { Redaction } from "../../src/observe/redaction.ts";

const SINCE = Date.UTC(2026, 0, 1);

function part(name: string, ready: boolean, more: Partial<PartState> = {}): () => PartState {
  return () => ({ name, ready, state: ready ? "connected" : "down", since: SINCE, ...more });
}

function serve(health = new Health(), metrics = new Metrics()) {
  return startHttpServer({ host: "127.0.0.1", port: 0, health, metrics });
}

async function get(url: string, init?: RequestInit) {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

Deno.test("/livez answers while the program runs", async () => {
  await using server = serve();
  const { status, body } = await get(`${server.url}/livez`);
  assert.deepEqual([status, body], [200, "ok\n"]);
});

Deno.test("parts may come and go", () => {
  const states = [part("sink.A", true)(), part("sink.B", false)()];
  const health = new Health([part("replication", true), () => states]);
  assert.deepEqual(health.report().parts.map(({ name }) => name), ["replication", "sink.A", "sink.B"]);
  assert.equal(health.report().ready, false);
  states.pop();
  assert.deepEqual(health.report().parts.map(({ name }) => name), ["replication", "sink.A"]);
  assert.equal(health.report().ready, true);
});

Deno.test("/readyz is 503 before there are parts and until each is ready, and tells of each", async () => {
  const health = new Health();
  let streaming = false;
  await using server = serve(health);
  const ready = async () => {
    const { status, body, headers } = await get(`${server.url}/readyz`);
    assert.equal(headers.get("content-type"), "application/json");
    assert.equal(headers.get("cache-control"), "no-store");
    return { status, report: JSON.parse(body) };
  };
  assert.deepEqual(await ready(), { status: 503, report: { ready: false, degraded: false, parts: [] } });

  health.add(() => ({
    name: "replication",
    ready: streaming,
    state: streaming ? "streaming" : "connecting",
    since: SINCE,
  }));
  health.add(part("sink.Hook", true, { facts: { queuedEvents: 3 } }));
  assert.deepEqual(await ready(), {
    status: 503,
    report: {
      ready: false,
      degraded: false,
      parts: [
        { name: "replication", ready: false, state: "connecting", since: "2026-01-01T00:00:00.000Z" },
        {
          name: "sink.Hook",
          ready: true,
          state: "connected",
          facts: { queuedEvents: 3 },
          since: "2026-01-01T00:00:00.000Z",
        },
      ],
    },
  });
  streaming = true;
  assert.equal((await ready()).status, 200);
  health.add(part("sink.Away", true, { degraded: true }));
  const { status, report } = await ready();
  assert.deepEqual([status, report.degraded], [200, true]);
});

Deno.test("/readyz shows no secret, and survives a part that fails", () => {
  const health = new Health(
    [
      part("sink.Hook", false, { detail: "login with s3cret failed" }),
      function replication(): PartState {
        throw new Error("broken by s3cret");
      },
    ],
    new Redaction(["s3cret"]),
  );
  const { ready, parts } = health.report();
  assert.equal(ready, false);
  assert.deepEqual(parts.map(({ name, state, detail }) => [name, state, detail]), [
    ["sink.Hook", "down", "login with *** failed"],
    ["replication", "unknown", "broken by ***"],
  ]);
});

Deno.test("/metrics is Prometheus' text, with the process beside the router", async () => {
  const metrics = new Metrics();
  metrics.changes.inc({ entity: "twin", action: "update" }, 3);
  metrics.deliverySeconds.observe({ sink: "Hook" }, 0.003);
  await using server = serve(new Health(), metrics);
  const { status, headers, body } = await get(`${server.url}/metrics`);
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(body, /^twinrouter_changes_total\{entity="twin",action="update"\} 3$/m);
  assert.match(body, /^twinrouter_delivery_seconds_bucket\{le="0\.005",sink="Hook"\} 1$/m);
  const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(body)?.[1]);
  assert(Math.abs(value("process_resident_memory_bytes") / Deno.memoryUsage().rss - 1) < 0.5);
  assert(value("process_heap_bytes") > 1e6);
  assert(value("process_cpu_seconds_total") > 0);
  assert(Math.abs(value("process_start_time_seconds") - (Date.now() - performance.now()) / 1000) < 5);
});

Deno.test("two routers in one process count for themselves", async () => {
  const [one, other] = [new Metrics(), new Metrics()];
  one.reconnects.inc();
  assert.match(await one.registry.metrics(), /^twinrouter_replication_reconnects_total 1$/m);
  assert.match(await other.registry.metrics(), /^twinrouter_replication_reconnects_total 0$/m);
});

Deno.test("CPU time is what the process has spent, at every reading", async () => {
  const { registry } = new Metrics();
  const spent = () => Object.values(process.cpuUsage()).reduce((sum, part) => sum + part) / 1e6;
  for (let reading = 0; reading < 3; reading++) {
    const before = spent();
    const told = Number(/^process_cpu_seconds_total (.*)$/m.exec(await registry.metrics())?.[1]);
    assert(before <= told && told <= spent(), `${before}, then ${told}`);
  }
});

Deno.test("the index names the other pages", async () => {
  await using server = serve();
  const { status, body } = await get(`${server.url}/`);
  assert.equal(status, 200);
  for (const page of ["/livez", "/readyz", "/metrics"]) assert(body.includes(page));
});

Deno.test("HEAD answers as GET does, without a body", async () => {
  await using server = serve(new Health([part("a", false)]));
  for (const [page, status] of [["/", 200], ["/livez", 200], ["/readyz", 503], ["/metrics", 200]] as const) {
    const response = await get(`${server.url}${page}`, { method: "HEAD" });
    assert.deepEqual([response.status, response.body], [status, ""]);
  }
});

Deno.test("other pages and other methods are refused", async () => {
  await using server = serve();
  for (const page of ["/nowhere", "/livez/", "/constructor", "/__proto__", "//"]) {
    assert.equal((await get(`${server.url}${page}`)).status, 404, page);
  }
  const { status, headers } = await get(`${server.url}/readyz`, { method: "POST", body: "x" });
  assert.deepEqual([status, headers.get("allow")], [405, "GET, HEAD"]);
});

Deno.test("a query is no other page", async () => {
  await using server = serve();
  assert.equal((await get(`${server.url}/livez?verbose`)).status, 200);
});

Deno.test("a port in use is told with what to do", async () => {
  await using server = serve();
  const port = Number(new URL(server.url).port);
  assert.throws(
    () => startHttpServer({ host: "127.0.0.1", port, health: new Health(), metrics: new Metrics() }),
    {
      message: `Cannot serve http://127.0.0.1:${port}: the port is in use; ` +
        "choose another with events.config.http, or turn it off with http: false",
    },
  );
});

Deno.test("the port is free again once the server is disposed of, even with a connection open", async () => {
  const server = serve();
  const port = Number(new URL(server.url).port);
  const idle = await Deno.connect({ hostname: "127.0.0.1", port });
  await server[Symbol.asyncDispose]();
  await using again = startHttpServer({
    host: "127.0.0.1",
    port,
    health: new Health(),
    metrics: new Metrics(),
  });
  assert.equal((await get(`${again.url}/livez`)).status, 200);
  idle.close();
});
