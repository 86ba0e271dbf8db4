import assert from "node:assert/strict";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import type { Sink } from "../../src/sink/sink.ts";
import type { SinkErrorKind } from "../../src/sink/sink_error.ts";
import { options } from "../../sinks/webhook/config.ts";
import { createSink } from "../../sinks/webhook/mod.ts";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import {
  readBatchedEvents,
  readHttpBinaryEvent,
  readStructuredEvent,
  type ReceivedEvent,
} from "../support/received_event.ts";
import { deliver, failureOf, type FarEnd, testSink } from "../support/sink_conformance.ts";
import { type ReceivedRequest, type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";

const CONTEXT = { name: "Hook", baseDirectory: ".", log: { info() {}, warn() {} } };
const NEVER = new AbortController().signal;

/** A receiver that takes events, but for what a test scripts. */
class WebhookFarEnd implements FarEnd {
  readonly receiver = new WebhookReceiver({ respond: (request) => this.#answer(request) });
  readonly #taken: ReceivedEvent[] = [];
  readonly #refused = new Map<string, SinkErrorKind>();
  #until: Promise<void> = Promise.resolve();

  async received(): Promise<readonly ReceivedEvent[]> {
    return this.#taken;
  }

  stall(until: Promise<void>): void {
    this.#until = until;
  }

  async stalled(): Promise<number> {
    await this.receiver.received(1);
    return this.receiver.posts.reduce((sum, request) => sum + eventsOf(request).length, 0);
  }

  refuse(event: CloudEvent, kind: SinkErrorKind | undefined): void {
    if (kind) this.#refused.set(event.id, kind);
    else this.#refused.delete(event.id);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.receiver[Symbol.asyncDispose]();
  }

  async #answer(request: ReceivedRequest): Promise<Reply> {
    if (request.method !== "POST") return 204;
    await this.#until;
    const events = eventsOf(request);
    for (const { attributes } of events) {
      switch (this.#refused.get(attributes.id)) {
        case "retryable":
          return 503;
        case "rejected":
          return 422;
        case "fatal":
          return 403;
      }
    }
    this.#taken.push(...events);
    return 204;
  }
}

function eventsOf({ headers, body }: ReceivedRequest): ReceivedEvent[] {
  switch (headers.get("content-type")) {
    case "application/cloudevents+json; charset=utf-8":
      return [readStructuredEvent(body)];
    case "application/cloudevents-batch+json; charset=utf-8":
      return readBatchedEvents(body);
    default:
      return [readHttpBinaryEvent(headers, body)];
  }
}

for (const contentMode of ["structured", "binary", "batched"] as const) {
  testSink({
    name: `webhook (${contentMode})`,
    answersForAll: contentMode === "batched",
    start: () => Promise.resolve(new WebhookFarEnd()),
    create: ({ receiver }) => createSink(options.parse({ url: receiver.url, contentMode }), CONTEXT),
    createUnreachable: () =>
      createSink(options.parse({ url: "http://127.0.0.1:2/events", contentMode }), CONTEXT),
  });
}

function hook(receiver: WebhookReceiver, other: Record<string, unknown> = {}): Sink {
  return createSink(options.parse({ url: receiver.url, ...other }), CONTEXT);
}

/** A connected sink and what it delivers to. */
async function connected(other: Record<string, unknown> = {}) {
  const stack = new AsyncDisposableStack();
  const receiver = stack.use(new WebhookReceiver());
  const sink = stack.use(hook(receiver, other));
  await sink.connect(NEVER);
  return { receiver, sink, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const OUTCOMES: Record<string, readonly number[]> = {
  delivered: [200, 201, 202, 203, 204, 206, 299],
  rejected: [400, 406, 409, 413, 415, 418, 422, 499],
  fatal: [300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 407, 410, 426],
  retryable: [408, 421, 423, 425, 429, 500, 501, 502, 503, 504, 599],
};

for (const [outcome, statuses] of Object.entries(OUTCOMES)) {
  Deno.test(`webhook counts an event as ${outcome} after ${statuses.join(", ")}`, async () => {
    await using far = await connected();
    for (const status of statuses) {
      far.receiver.script(status);
      const failed = await deliver(far.sink, [cloudEvent(status)]);
      assert.deepEqual(
        failed.map(({ error }) => error.kind),
        outcome === "delivered" ? [] : [outcome],
        `${status}`,
      );
    }
  });
}

Deno.test("webhook obeys Retry-After, in seconds or as a date", async () => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  for (
    const [value, least, most] of [
      ["7", 7000, 7000],
      ["0", 0, 0],
      [inAMinute, 55_000, 60_000],
      ["Thu, 01 Jan 1970 00:00:00 GMT", 0, 0],
    ] as const
  ) {
    for (const status of [429, 503]) {
      await using far = await connected();
      far.receiver.script({ status, headers: { "retry-after": value } });
      const [failure] = await deliver(far.sink, [cloudEvent(1)]);
      const wait = failure?.error.retryAfterMs;
      assert(wait !== undefined && wait >= least && wait <= most, `${value} gave ${wait}`);
    }
  }
  await using far = await connected();
  for (const value of ["soon", "-1", "1.5", ""]) {
    far.receiver.script({ status: 503, headers: { "retry-after": value } });
    const [failure] = await deliver(far.sink, [cloudEvent(1)]);
    assert.equal(failure?.error.retryAfterMs, undefined, value);
  }
});

Deno.test("webhook sends nothing more of a batch once it was asked to wait, or refused for good", async () => {
  for (const reply of [{ status: 429, headers: { "retry-after": "5" } }, 401]) {
    await using far = await connected();
    far.receiver.script(204, reply);
    const failed = await deliver(far.sink, cloudEvents(5));
    assert.deepEqual(failed.map(({ index }) => index), [1, 2, 3, 4]);
    assert(failed.slice(1).every(({ error }) => error.kind === "retryable"));
    assert.equal(far.receiver.posts.length, 2);
  }
});

Deno.test("webhook never follows a redirect", async () => {
  await using target = new WebhookReceiver();
  await using far = await connected();
  far.receiver.script({ status: 307, headers: { location: `${target.url}?token=s3cret` } });
  const [failure] = await deliver(far.sink, [cloudEvent(1)]);
  assert.equal(failure?.error.kind, "fatal");
  assert.match(failure.error.message, new RegExp(`a redirect to http://127.0.0.1:${target.port}, which`));
  assert.equal(target.requests.length, 0);
});

Deno.test("webhook keeps its connection, however the far end answers", async () => {
  await using far = await connected();
  const replies: Reply[] = [204, { status: 200, body: "taken" }, { status: 503, body: "busy" }, 422];
  for (let number = 0; number < 100; number++) {
    far.receiver.script(replies[number % replies.length] ?? 204);
    await deliver(far.sink, [cloudEvent(number)]);
  }
  assert.equal(far.receiver.posts.length, 100);
  // Now and then a new one is opened just before the old one is seen to be free.
  assert(far.receiver.connections <= 5, `${far.receiver.connections} connections for 100 requests`);
});

Deno.test("webhook takes the status for the answer when the body never ends", async () => {
  await using far = await connected({ timeout: "1h" });
  far.receiver.script("endless");
  assert.deepEqual(await deliver(far.sink, [cloudEvent(1)]), []);
});

Deno.test("webhook counts what goes wrong on the way as retryable, and says what it was", async () => {
  await using far = await connected({ timeout: "100ms" });
  const replies: [Reply, RegExp][] = [
    ["hang", /no answer within 100 ms/],
    [{ raw: "" }, /connection (closed|error|reset)/],
    [{ raw: "HELO there\r\n" }, /invalid HTTP/],
    [{ raw: "HTTP/1.1 200 OK\r\ncontent-le" }, /connection (closed|error|reset)/],
  ];
  for (const [reply, message] of replies) {
    far.receiver.script(reply);
    const [failure] = await deliver(far.sink, [cloudEvent(1)]);
    assert.equal(failure?.error.kind, "retryable");
    assert.match(failure.error.message, message);
  }
  assert.deepEqual(await deliver(far.sink, [cloudEvent(1)]), []);
});

Deno.test("webhook is connected by whatever answers", async () => {
  await using receiver = new WebhookReceiver();
  await using sink = hook(receiver);
  for (const status of [204, 404, 405, 501]) {
    receiver.respond = () => status;
    await sink.connect(NEVER);
  }
  assert.deepEqual(receiver.requests.map(({ method, body }) => method + body), Array(4).fill("OPTIONS"));
});

Deno.test("webhook gives up connecting when it is told to stop", async () => {
  await using receiver = new WebhookReceiver({ respond: () => "hang" });
  await using sink = hook(receiver);
  const stop = new AbortController();
  const connection = failureOf(sink.connect(stop.signal));
  await receiver.received(0);
  stop.abort();
  assert.equal((await connection).kind, "retryable");
});

Deno.test("webhook names itself, and sends the headers that were asked for", async () => {
  await using far = await connected({ headers: { "X-Tenant": "building 7", "User-Agent": "mine" } });
  await using plain = await connected();
  await deliver(far.sink, [cloudEvent(1)]);
  await deliver(plain.sink, [cloudEvent(1)]);
  assert.equal(far.receiver.posts[0]?.headers.get("x-tenant"), "building 7");
  assert.equal(far.receiver.posts[0]?.headers.get("user-agent"), "mine");
  assert.match(plain.receiver.posts[0]?.headers.get("user-agent") ?? "", /^twinrouter\/\d+\.\d+\.\d+/);
});

Deno.test("webhook writes structured events with their content type and length", async () => {
  await using far = await connected();
  await deliver(far.sink, [cloudEvent(1, { data: '{"v":22.0}' })]);
  const [request] = far.receiver.posts;
  assert.equal(request?.headers.get("content-type"), "application/cloudevents+json; charset=utf-8");
  assert.equal(request.headers.get("content-length"), String(new TextEncoder().encode(request.body).length));
  assert.match(request.body, /"data":\{"v":22\.0\}\}$/);
});

Deno.test("webhook shows no secret of its URL, whatever goes wrong", async () => {
  await using receiver = new WebhookReceiver();
  const url = receiver.url.replace("//", "//user:pa55word@") + "/T0KEN?code=s3cret";
  await using sink = hook(receiver, { url, timeout: "50ms" });
  await sink.connect(NEVER);
  receiver.script("hang", { raw: "" }, { raw: "nonsense" }, 401, 503, {
    status: 302,
    headers: { location: url },
  });
  const errors: unknown[] = [];
  for (let number = 0; number < 6; number++) errors.push(...await deliver(sink, [cloudEvent(number)]));
  await using unreachable = hook(receiver, { url: "http://user:pa55word@127.0.0.1:2/T0KEN?code=s3cret" });
  errors.push(await failureOf(unreachable.connect(NEVER)));
  assert.equal(errors.length, 7);
  assert.doesNotMatch(Deno.inspect(errors, { depth: 10 }), /pa55word|T0KEN|s3cret|dXNlcj/);
});
