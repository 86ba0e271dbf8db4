import assert from "node:assert/strict";
import fc from "fast-check";
import { options } from "../../sinks/webhook/config.ts";
import { createSink } from "../../sinks/webhook/mod.ts";
import { structuredJson } from "../../src/sink/encode.ts";
import type { Sink } from "../../src/sink/sink.ts";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import { readBatchedEvents, type ReceivedEvent } from "../support/received_event.ts";
import { assertArrived, deliver, failureOf, summary } from "../support/sink_conformance.ts";
import { type ReceivedRequest, type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";

const NEVER = new AbortController().signal;

/** A connected sink in batched mode, and its far end, which takes the batches that `judge` gives 204. */
async function connected(
  other: Record<string, unknown> = {},
  judge: (ids: readonly string[]) => Reply = () => 204,
) {
  const stack = new AsyncDisposableStack();
  const taken: ReceivedEvent[] = [];
  const respond = ({ method, body }: ReceivedRequest) => {
    if (method !== "POST") return 204;
    const events = readBatchedEvents(body);
    const reply = judge(events.map(({ attributes }) => attributes.id));
    if (reply === 204) taken.push(...events);
    return reply;
  };
  const receiver = stack.use(new WebhookReceiver({ respond }));
  const context = { name: "Hook", baseDirectory: ".", log: { info() {}, warn() {} } };
  const sink: Sink = stack.use(
    createSink(options.parse({ url: receiver.url, contentMode: "batched", ...other }), context),
  );
  await sink.connect(NEVER);
  return { receiver, sink, taken, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("webhook (batched) sends a batch in one request, as CloudEvents' JSON batch format says", async () => {
  await using far = await connected();
  const batch = cloudEvents(3);
  assert.deepEqual(await deliver(far.sink, batch), []);
  const [request] = far.receiver.posts;
  assert.equal(far.receiver.posts.length, 1);
  assert.equal(request?.headers.get("content-type"), "application/cloudevents-batch+json; charset=utf-8");
  assert.deepEqual([...request.headers.keys()].filter((name) => name.startsWith("ce-")), []);
  assert.equal(request.body, `[${batch.map(structuredJson).join(",")}]`);
});

Deno.test("webhook (batched) prefers batches as large as the configuration has them", async () => {
  await using far = await connected({ maxBytes: "64KiB", concurrency: 3 });
  assert.deepEqual(far.sink.batch, { maxBytes: 65_536, concurrency: 3 });
});

Deno.test("webhook (batched) sends no request that is larger than it may be, but for one event", async () => {
  await using far = await connected({ maxBytes: 4096 });
  const batch = cloudEvents(40, 3).map((event, index) =>
    index % 7 === 3 ? { ...event, data: JSON.stringify("é".repeat(index * 100)) } : event
  );
  assert.deepEqual(await deliver(far.sink, batch), []);
  assertArrived(far.taken, batch);
  const sizes = far.receiver.posts.map(({ body }) => ({
    bytes: new TextEncoder().encode(body).length,
    events: readBatchedEvents(body).length,
  }));
  assert(sizes.some(({ bytes, events }) => bytes > 4096 && events === 1));
  assert(sizes.every(({ bytes, events }) => bytes <= 4096 || events === 1));
  for (const [index, { bytes }] of sizes.slice(0, -1).entries()) {
    assert(bytes + (sizes[index + 1]?.bytes ?? 0) > 4096, "two requests could have been one");
  }
});

Deno.test("webhook (batched) loses to rejected events only what comes after them in their keys", async () => {
  const scenario = fc.record({
    keys: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 }),
    poisoned: fc.uniqueArray(fc.integer({ min: 0, max: 39 }), { maxLength: 6 }),
    status: fc.constantFrom(400, 413, 422),
    maxBytes: fc.constantFrom(1024, 1_000_000),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ keys, poisoned, status, maxBytes }) => {
      const batch = keys.map((key, index) => cloudEvent(index, { partitionkey: `room-${key}` }));
      const bad = new Set(poisoned.map((index) => batch[index]?.id));
      await using far = await connected({ maxBytes }, (ids) => ids.some((id) => bad.has(id)) ? status : 204);
      const failed = await deliver(far.sink, batch);

      const expected: string[] = [];
      const stopped = new Set<string>();
      for (const [index, { id, partitionkey }] of batch.entries()) {
        if (stopped.has(partitionkey)) expected.push(`${index} retryable`);
        else if (bad.has(id)) {
          expected.push(`${index} rejected`);
          stopped.add(partitionkey);
        }
      }
      assert.deepEqual(summary(failed), expected);
      const failedIndexes = new Set(failed.map(({ index }) => index));
      assertArrived(far.taken, batch.filter((_, index) => !failedIndexes.has(index)));
    }),
    { seed: 20260101, numRuns: 60 },
  );
});

Deno.test("webhook (batched) finds a rejected event by halving", async () => {
  const batch = cloudEvents(64);
  await using far = await connected({}, (ids) => ids.includes(batch[37]?.id ?? "") ? 422 : 204);
  assert.deepEqual(summary(await deliver(far.sink, batch)), ["37 rejected"]);
  assert.equal(far.receiver.posts.length, 13);
});

Deno.test("webhook (batched) sends less at once to who takes only so much", async () => {
  await using far = await connected({}, (ids) => ids.length > 10 ? 413 : 204);
  const batch = cloudEvents(50, 7);
  assert.deepEqual(await deliver(far.sink, batch), []);
  assertArrived(far.taken, batch);
});

Deno.test("webhook (batched) blames no event when none is taken", async () => {
  for (const reply of [503, { status: 429, headers: { "retry-after": "5" } }] as Reply[]) {
    await using far = await connected({}, () => reply);
    const error = await failureOf(far.sink.deliver(cloudEvents(5), NEVER));
    assert.equal(error.kind, "retryable");
    assert.equal(far.receiver.posts.length, 1);
    if (typeof reply === "object" && "status" in reply) assert.equal(error.retryAfterMs, 5000);
  }
  await using far = await connected({}, () => 503);
  assert.deepEqual(summary(await far.sink.deliver([cloudEvent(1)], NEVER)), ["0 retryable"]);
});

Deno.test("webhook (batched) finds an event at which the far end fails, but never blames many for an outage", async () => {
  const batch = cloudEvents(64);
  for (const bad of [0, 37, 63]) {
    await using far = await connected({}, (ids) => ids.includes(batch[bad]?.id ?? "") ? 500 : 204);
    assert.deepEqual(summary(await far.sink.deliver(batch, NEVER)), [`${bad} retryable`]);
    assertArrived(far.taken, batch.filter((_, index) => index !== bad));
  }
  for (const status of [500, 502]) {
    await using far = await connected({}, () => status);
    assert.equal((await failureOf(far.sink.deliver(batch, NEVER))).kind, "retryable");
    assert(far.receiver.posts.length < 16, `${far.receiver.posts.length} requests`);
  }
});

Deno.test("webhook (batched) keeps what was taken when the rest fails", async () => {
  const batch = cloudEvents(4, 2);
  await using far = await connected();
  far.receiver.script(413, 204, 503);
  // The scripted 204 is not judged, so that it is not in `taken`.
  assert.deepEqual(summary(await far.sink.deliver(batch, NEVER)), ["2 retryable", "3 retryable"]);
  assert.equal(far.receiver.posts.length, 3);
});

Deno.test("webhook (batched) sends nothing more once it is refused for good, or was asked to wait", async () => {
  for (const reply of [401, { status: 503, headers: { "retry-after": "5" } }] as Reply[]) {
    await using far = await connected();
    far.receiver.script(413, 204, 413, reply);
    const failed = await far.sink.deliver(cloudEvents(6), NEVER);
    const kind = reply === 401 ? "fatal" : "retryable";
    assert.deepEqual(summary(failed), [`3 ${kind}`, "4 retryable", "5 retryable"]);
    assert.equal(far.receiver.posts.length, 4);
  }
});
