import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { options as kustoOptions } from "../../sinks/kusto/config.ts";
import { createSink as createKustoSink } from "../../sinks/kusto/mod.ts";
import { options } from "../../sinks/webhook/config.ts";
import { createSink } from "../../sinks/webhook/mod.ts";
import type { Sink } from "../../src/sink/sink.ts";
import { cloudEvent } from "../support/cloud_events.ts";
import { kafkaSink } from "../support/kafka_sink.ts";
import { HostileServer, type Say } from "../support/hostile_server.ts";
import { mqttSink } from "../support/mqtt_sink.ts";
import { deliver, failureOf, summary } from "../support/sink_conformance.ts";
import { until } from "../support/until.ts";

const NEVER = new AbortController().signal;
const LOG = { info() {}, warn() {} };

/** Bytes that are taken of what never ends, with what the system's own buffers hold on both sides. */
const MOST = 64 * 1024 * 1024;

/** Does what must end, and take little of what a far end says, however long that goes on. */
async function bounded(
  far: { readonly sent: number },
  work: () => Promise<void>,
  most = MOST,
): Promise<void> {
  let isSeenThrough = false;
  await Promise.all([
    work().then(() => isSeenThrough = true),
    until(() => isSeenThrough, () => `the far end to be seen through; ${far.sent} bytes were taken`),
  ]);
  assert(far.sent < most, `${far.sent} bytes were taken`);
}

function webhook(url: string, other: Record<string, unknown> = {}): Sink {
  const written = { url, validation: "off", timeout: "500ms", ...other };
  return createSink(options.parse(written), { name: "Hook", baseDirectory: ".", log: LOG });
}

const HEAD = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${HEAD}content-type: application/json\r\ntransfer-encoding: chunked\r\n`;
const block = "x".repeat(0x10000);

/** A quarter of a MiB of gzip that is a quarter of a GiB of zeros. */
const bomb = gzipSync(new Uint8Array(256 << 20), { level: 1 });

/** What is passed over byte by byte and kept nowhere may be as much as comes within the timeout. */
const answers: Record<string, readonly [Say, "delivered" | "retryable", most?: number]> = {
  "a body that never ends": [async function* () {
    yield `${CHUNKED}\r\n`;
    for (;;) yield `10000\r\n${block}\r\n`;
  }, "delivered"],
  "headers that never end": [async function* () {
    yield HEAD;
    for (let number = 0;; number++) yield `x-${number}: ${"y".repeat(1000)}\r\n`;
  }, "retryable"],
  "one header that never ends": [async function* () {
    yield `${HEAD}x: `;
    for (;;) yield block;
  }, "retryable"],
  "a byte at a time": [async function* (pause) {
    for (;;) {
      yield "H";
      await pause(100);
    }
  }, "retryable"],
  "a chunk's size that never ends": [
    async function* () {
      yield `${CHUNKED}\r\n`;
      for (;;) yield "0".repeat(0x10000);
    },
    "delivered",
    Infinity,
  ],
  "interim answers that never end": [
    async function* () {
      for (;;) yield "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    },
    "retryable",
    Infinity,
  ],
  "a gzip bomb": [async function* () {
    yield `${HEAD}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`;
    yield bomb;
  }, "delivered"],
};

for (const [what, [say, outcome, most]] of Object.entries(answers)) {
  Deno.test(`webhook is not held up by ${what}`, async () => {
    await using server = new HostileServer(say);
    await using sink = webhook(`http://127.0.0.1:${server.port}/`);
    await bounded(server, async () => {
      await sink.connect(NEVER).catch(() => {});
      assert.deepEqual(
        summary(await deliver(sink, [cloudEvent(1)])),
        outcome === "delivered" ? [] : [`0 ${outcome}`],
      );
    }, most);
  });
}

for (
  const [what, say] of Object.entries<Say>({
    "a token that never ends": async function* () {
      yield `${CHUNKED}\r\n`;
      yield `12\r\n{"access_token": "\r\n`;
      for (;;) yield `10000\r\n${block}\r\n`;
    },
    "a refusal that never ends": async function* () {
      yield `${CHUNKED.replace("200 OK", "400 Bad Request")}\r\n`;
      for (;;) yield `10000\r\n${block}\r\n`;
    },
  })
) {
  Deno.test(`a token endpoint does no harm by ${what}`, async () => {
    await using server = new HostileServer(say);
    const tokenUrl = `http://127.0.0.1:${server.port}/`;
    const auth = { type: "oauth2", tokenUrl, clientId: "router", clientSecret: "s3cret" };
    await using sink = webhook("http://127.0.0.1:1/", { auth, timeout: "1h" });
    await bounded(server, async () => {
      assert.match((await failureOf(sink.connect(NEVER))).message, /^Cannot get a token from /);
    });
  });
}

for (const [what, length] of [["huge", 0x7fffffff], ["negative", -4], ["shorter than itself", 1]] as const) {
  Deno.test({
    name: `kafka gives up on a broker whose response has a ${what} length`,
    fn: async () => {
      await using server = new HostileServer(async function* () {
        yield new Uint8Array(new Int32Array([length]).buffer).toReversed();
        for (;;) yield new Uint8Array(0x10000).fill(0xff);
      });
      await using sink = kafkaSink({
        brokerList: `127.0.0.1:${server.port}`,
        topic: "twins",
        securityProtocol: "PLAINTEXT",
      });
      await bounded(server, async () => {
        const error = await failureOf(sink.connect(NEVER));
        assert.equal(error.kind, "retryable");
        assert.match(error.message, new RegExp(`a length of ${length} bytes`));
      });
    },
  });
}

const endless = new Uint8Array(0x10000);
for (
  const [what, first, message] of [
    ["a packet of 256 MiB", new Uint8Array([0x20, 0xff, 0xff, 0xff, 0x7f]), /a length of 268435455 bytes/],
    ["a length that never ends", new Uint8Array([0x20, 0xff, 0xff, 0xff, 0xff, 0xff]), /Invalid|length/i],
    ["garbage", new Uint8Array(0x10000).fill(0xab), /./],
  ] as const
) {
  Deno.test(`mqtt gives up on a broker that sends ${what}`, async () => {
    await using server = new HostileServer(async function* () {
      yield first;
      for (;;) yield endless;
    });
    await using sink = mqttSink({ broker: "127.0.0.1", port: server.port, topic: "twins" });
    await bounded(server, async () => {
      const error = await failureOf(sink.connect(NEVER));
      assert.equal(error.kind, "retryable");
      assert.match(error.message, message);
    });
  });
}

Deno.test("kusto gives up on a service whose answer never ends", async () => {
  const bytes = new TextEncoder().encode(block);
  const far = { sent: 0 };
  const stop = new AbortController();
  const listening = { hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen: () => {} };
  const server = Deno.serve(listening, ({ url }) => {
    if (new URL(url).pathname.endsWith("/metadata")) return new Response(null, { status: 404 });
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(bytes);
        far.sent += bytes.length;
      },
    });
    return new Response(body, { headers: { "content-type": "application/json" } });
  });
  const uri = `http://127.0.0.1:${server.addr.port}`;
  const written = {
    clusterUri: uri,
    ingestionUri: uri,
    database: "Twins",
    auth: { type: "none" },
    timeout: "1h",
  };
  const context = { name: "Adx", baseDirectory: ".", log: LOG };
  await using sink = createKustoSink(kustoOptions.parse({ ...written, ingestion: "streaming" }), context);
  await bounded(far, async () => {
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "retryable");
    assert.match(error.message, /size of 16777216 exceeded/);
  });
  stop.abort();
  await server.finished;
});
