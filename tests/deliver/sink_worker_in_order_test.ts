import assert from "node:assert/strict";
import fc from "fast-check";
import type { CloudEvent, Resumption, StreamStart } from "../../src/sink/sink.ts";
import { BEGINNING, Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import {
  answering,
  type Delivery as Step,
  fatal,
  rejected,
  retryable,
  ScriptedSink,
  throwing,
} from "../support/scripted_sink.ts";

const STREAM: StreamStart = { systemIdentifier: "7", slot: "s", timeline: 1, ancestors: [] };

/** A sink that knows what it has, as those do that keep a position. */
class OrderedSink extends ScriptedSink {
  readonly resumptions: (Resumption | undefined)[] = [];
  readonly held = new Set<string>();

  constructor() {
    super({ maxEvents: 10, inOrder: true });
  }

  override connect(signal: AbortSignal, resumption?: Resumption): Promise<void> {
    this.resumptions.push(resumption);
    return super.connect(signal);
  }

  /** What each `connect` was told to go on after. */
  get after(): (string | undefined)[] {
    return this.resumptions.map((resumption) => resumption?.after?.id);
  }

  has({ id }: CloudEvent): boolean {
    return this.held.has(id);
  }
}

async function opened() {
  const sink = new OrderedSink();
  const holds = { slot: true };
  const delivery = new Delivery([sink], { mayDeliver: () => holds.slot });
  await delivery.start();
  const begin = async (stream = STREAM, hasOtherHistory = false) => {
    delivery.dispatcher.begin(stream, hasOtherHistory);
    await turn();
  };
  return { sink, delivery, holds, begin, [Symbol.asyncDispose]: () => delivery[Symbol.asyncDispose]() };
}

/** The event at `index` fails in this way, and those behind it were not sent. */
function failingAt(index: number, error: ReturnType<typeof retryable>): Step {
  return (batch) =>
    Promise.resolve(
      batch.slice(index).map((_, at) => ({
        index: index + at,
        error: at === 0 ? error : retryable("not sent"),
      })),
    );
}

Deno.test("in order, a sink is connected once the stream has begun, and anew when it begins again", async () => {
  await using test = await opened();
  assert.equal(test.sink.connects, 0);
  await test.begin();
  await test.delivery.send("a", "b");
  const again = { ...STREAM };
  await test.begin(again);
  assert.deepEqual(test.sink.resumptions.map((resumption) => resumption?.stream), [STREAM, again]);
  assert.deepEqual(test.sink.after, [undefined, "b-2"]);
});

Deno.test("in order, a sink that turns out to have all that failed is back, though nothing is left to show it by", async () => {
  await using test = await opened();
  await test.begin();
  test.sink.deliveries.push((batch) => {
    for (const { id } of batch) test.sink.held.add(id);
    return Promise.reject(retryable("nobody knows whether it was committed"));
  });
  await test.delivery.send("a", "b");
  assert.equal(test.delivery.dispatcher.states()[0]?.state, "retrying");
  await test.delivery.clock.advance(30_000);
  const [state] = test.delivery.dispatcher.states();
  assert.deepEqual([state?.state, state?.queuedEvents], ["connected", 0]);
  assert.deepEqual(test.sink.breaches, []);
});

Deno.test("in order, a sink is not even connected while another router has the slot", async () => {
  await using test = await opened();
  test.holds.slot = false;
  await test.begin();
  await test.delivery.send("a");
  assert.equal(test.sink.connects, 0);
  test.holds.slot = true;
  test.delivery.dispatcher.reconsider();
  await turn();
  assert.deepEqual(test.sink.takenIds, ["a-1"]);
});

Deno.test("in order, another sink in the same place goes on after what the one before has taken", async () => {
  await using test = await opened();
  await test.begin();
  test.sink.deliveries.push(answering([]), throwing(retryable()));
  await test.delivery.send("a", "b");
  await test.delivery.send("c", "a");
  const other = new OrderedSink();
  const settings = {
    name: "Sink0",
    kind: "scripted",
    sink: other,
    options: { other: true },
    maxBatchSize: 50,
    retry: { initial: 200, max: 30_000, maxAttempts: 10 },
    queue: { maxEvents: 10_000, maxBytes: 64 * 1024 * 1024 },
  };
  await test.delivery.dispatcher.become([settings], 1000).done;
  await turn();
  assert.deepEqual(other.after, ["b-2"]);
  assert.deepEqual(other.takenIds, ["c-3", "a-4"]);
});

Deno.test("what a sink has already is settled, and not delivered", async () => {
  await using test = await opened();
  test.sink.held.add("a-1").add("b-2");
  await test.begin();
  await test.delivery.send("a", "b", "a", "c");
  test.delivery.dispatcher.settle(9n);
  assert.deepEqual(test.sink.takenIds, ["a-3", "c-4"]);
  assert.deepEqual(test.delivery.confirmed, [9n]);
});

Deno.test("in order, a batch that failed comes again before anything else, whatever its keys", async () => {
  await using test = await opened();
  await test.begin();
  test.sink.deliveries.push(throwing(retryable()));
  await test.delivery.send("a", "b", "c");
  await test.delivery.send("d", "a");
  while (await test.delivery.clock.next());
  assert.deepEqual(test.sink.takenIds, ["a-1", "b-2", "c-3", "d-4", "a-5"]);
  assert.deepEqual(test.sink.breaches, []);
});

Deno.test("in order, nothing goes out before a rejected event is a durable dead letter", async () => {
  await using test = await opened();
  await test.begin();
  const gate = Promise.withResolvers<void>();
  test.delivery.deadLetters.gate = gate.promise;
  test.sink.deliveries.push(failingAt(1, rejected()));
  await test.delivery.send("a", "b", "b", "c");
  assert.deepEqual(test.sink.takenIds, ["a-1"]);
  await test.delivery.send("d");
  assert.equal(test.sink.batches.length, 1);
  gate.resolve();
  await turn();
  assert.deepEqual(test.delivery.deadLetters.ids, ["b-2"]);
  assert.deepEqual(test.sink.takenIds, ["a-1", "b-3", "c-4", "d-5"]);
});

Deno.test("in order, no number of tries makes a dead letter of what may be taken later", async () => {
  await using test = await opened();
  await test.begin();
  test.sink.otherwise = throwing(retryable());
  await test.delivery.send("a", "b");
  for (let tries = 0; tries < 30; tries++) await test.delivery.clock.next();
  test.sink.otherwise = answering([]);
  while (await test.delivery.clock.next());
  assert.deepEqual(test.delivery.deadLetters.ids, []);
  assert.deepEqual(test.sink.takenIds, ["a-1", "b-2"]);
});

Deno.test("in order, a sink is down when somebody must change something, and keeps what it has not taken", async () => {
  await using test = await opened();
  await test.begin();
  test.sink.deliveries.push(failingAt(1, fatal()));
  await test.delivery.send("a", "b", "c");
  const [state] = test.delivery.dispatcher.states();
  assert.equal(state?.state, "down");
  assert.equal(state.queuedEvents, 2);
  assert.deepEqual(test.sink.takenIds, ["a-1"]);
});

Deno.test("what waits when the stream begins on another timeline is obsolete, and the sink connects anew", async () => {
  await using test = await opened();
  await test.begin();
  const hold = test.sink.hold();
  await test.delivery.send("a");
  await test.delivery.send("b", "c");
  const other = { ...STREAM, timeline: 2, ancestors: [{ timeline: 1, end: 5n }] };
  await test.delivery.dispatcher.resume({ ...BEGINNING, sameTimelineAsBefore: false });
  await test.begin(other, true);
  await test.delivery.send("d", "a");
  hold.release();
  await turn();
  assert.deepEqual(test.sink.takenIds, ["a-1", "d-4", "a-5"]);
  assert.deepEqual(test.sink.resumptions, [{ stream: STREAM }, { stream: other }]);
  assert.deepEqual(test.sink.breaches, []);
});

Deno.test("in order means in order, whatever fails", async () => {
  const step = fc.oneof(
    fc.constant("take" as const),
    fc.constant("throw" as const),
    fc.record({ rejectedAt: fc.nat({ max: 9 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await using test = await opened();
      await test.begin();
      for (const each of steps) {
        if (each === "take") test.sink.deliveries.push(answering([]));
        else if (each === "throw") test.sink.deliveries.push(throwing(retryable()));
        else {
          test.sink.deliveries.push((batch, signal) =>
            failingAt(Math.min(each.rejectedAt, batch.length - 1), rejected())(batch, signal)
          );
        }
      }
      const keys = Array.from({ length: 40 }, (_, index) => "abc".charAt(index % 3));
      for (let sent = 0; sent < keys.length; sent += 7) {
        await test.delivery.send(...keys.slice(sent, sent + 7));
      }
      while (await test.delivery.clock.next());
      const dead = new Set(test.delivery.deadLetters.ids);
      const all = keys.map((key, index) => `${key}-${index + 1}`);
      assert.deepEqual(test.sink.takenIds, all.filter((id) => !dead.has(id)));
      assert.deepEqual(test.sink.breaches, []);
    }),
    { numRuns: 60 },
  );
});
