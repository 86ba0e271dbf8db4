import assert from "node:assert/strict";
import type { SinkSettings } from "../../src/deliver/sink_settings.ts";
import { Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import {
  failing,
  fatal,
  hang,
  Hold,
  rejected,
  retryable,
  ScriptedSink,
  take,
  throwing,
} from "../support/scripted_sink.ts";

const PATIENCE = 10_000;

/** Settings as `Delivery` makes them for the sink of the same name; `url` is all that its options say. */
function sinkOf(name: string, sink = new ScriptedSink(), url = "a"): SinkSettings & { sink: ScriptedSink } {
  return {
    name,
    kind: "scripted",
    sink,
    options: { url },
    maxBatchSize: 50,
    retry: { initial: 200, max: 30_000, maxAttempts: 10 },
    queue: { maxEvents: 10_000, maxBytes: 64 * 1024 * 1024 },
  };
}

/** Queues an event of a key for the sinks with these indexes. */
function enqueue({ dispatcher }: Delivery, key: string, n: number, ...sinks: number[]): void {
  dispatcher.enqueue(routerEvent(key, n), sinks.map((sink) => ({ sink, route: `to-${sink}` })));
}

async function gaugedSinks({ metrics }: Delivery): Promise<unknown[]> {
  const gauges = [metrics.queuedEvents, metrics.queuedBytes, metrics.sinkConnected];
  const sinks = [];
  for (const gauge of gauges) sinks.push((await gauge.get()).values.map(({ labels }) => labels.sink));
  assert.deepEqual(sinks[0], sinks[1]);
  assert.deepEqual(sinks[0], sinks[2]);
  return sinks[0] ?? [];
}

Deno.test("a sink of the same settings goes on untouched, and the one made for nothing is disposed of", async () => {
  const [first, again] = [sinkOf("A"), sinkOf("A")];
  const hold = first.sink.hold();
  await using delivery = new Delivery([first]);
  await delivery.start();
  await delivery.send("a");
  const changes = delivery.dispatcher.become([again], PATIENCE);
  assert.deepEqual([changes.added, changes.changed, changes.removed], [[], [], []]);
  await changes.done;
  assert.deepEqual([first.sink.disposed, again.sink.disposed], [0, 1]);
  hold.release();
  await delivery.send("a");
  assert.deepEqual(first.sink.takenIds, ["a-1", "a-2"]);
  assert.equal(first.sink.connects, 1);
});

Deno.test("a new sink gets what is queued for its index, and no index is ever given twice", async () => {
  const [a, b, c] = [sinkOf("A"), sinkOf("B"), sinkOf("C")];
  await using delivery = new Delivery([a, b]);
  const { dispatcher } = delivery;
  await delivery.start();
  dispatcher.become([b], PATIENCE).unroute();
  await turn();
  assert.deepEqual(dispatcher.states().map(({ name }) => name), ["B"]);
  assert.equal(a.sink.disposed, 1);
  const { indexes, added } = dispatcher.become([b, c], PATIENCE);
  assert.deepEqual([...indexes], [["B", 1], ["C", 2]]);
  assert.deepEqual(added, ["C"]);
  enqueue(delivery, "k", 1, 1, 2);
  await turn();
  assert.deepEqual([b.sink.takenIds, c.sink.takenIds], [["k-1"], ["k-1"]]);
  assert.throws(() => enqueue(delivery, "k", 2, 0), /there is no sink 0/);
  assert.deepEqual(await gaugedSinks(delivery), ["B", "C"]);
});

Deno.test("a sink that is removed delivers what it has and what comes until nothing leads to it, then leaves", async () => {
  const [a, b] = [sinkOf("A"), sinkOf("B")];
  const hold = a.sink.hold();
  await using delivery = new Delivery([a, b]);
  const { dispatcher } = delivery;
  await delivery.start();
  enqueue(delivery, "a", 1, 0, 1);
  await turn();
  const { removed, unroute } = dispatcher.become([b], PATIENCE);
  assert.deepEqual(removed, ["A"]);
  assert.equal(dispatcher.states()[0]?.state, "leaving");
  await delivery.clock.advance(PATIENCE * 3); // it is slow, but connected
  enqueue(delivery, "a", 2, 0, 1);
  dispatcher.settle(10n);
  unroute();
  await turn();
  assert.equal(dispatcher.confirmable, undefined);
  hold.release();
  await turn();
  assert.deepEqual(a.sink.takenIds, ["a-1", "a-2"]);
  assert.equal(dispatcher.confirmable, 10n);
  assert.deepEqual([a.sink.disposed, a.sink.breaches], [1, []]);
  assert.deepEqual(dispatcher.states().map(({ name }) => name), ["B"]);
});

Deno.test("a sink that is given another name begins once the one of the old name has left", async () => {
  const [a, b] = [sinkOf("A"), sinkOf("B")];
  const hold = a.sink.hold();
  await using delivery = new Delivery([a]);
  await delivery.start();
  await delivery.send("a");
  const { indexes, unroute } = delivery.dispatcher.become(
    [b, sinkOf("C", new ScriptedSink(), "c")],
    PATIENCE,
  );
  unroute();
  enqueue(delivery, "a", 2, indexes.get("B") ?? 0);
  await turn();
  assert.deepEqual(delivery.dispatcher.states().map(({ state }) => state), [
    "leaving",
    "connecting",
    "connected",
  ]);
  assert.equal(b.sink.connects, 0);
  hold.release();
  await turn();
  assert.deepEqual([a.sink.takenIds, a.sink.disposed, b.sink.takenIds], [["a-1"], 1, ["a-2"]]);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("a sink that is given another name does not wait for ever", async () => {
  const [a, b] = [sinkOf("A"), sinkOf("B")];
  a.sink.hold();
  await using delivery = new Delivery([a]);
  await delivery.start();
  await delivery.send("a");
  delivery.dispatcher.become([b], PATIENCE).unroute();
  await delivery.clock.advance(PATIENCE - 1);
  assert.equal(b.sink.connects, 0);
  await delivery.clock.advance(1);
  assert.equal(b.sink.connects, 1);
});

Deno.test("a sink that is removed in an outage has time to come back", async () => {
  const a = sinkOf("A");
  a.sink.otherwise = throwing(retryable());
  await using delivery = new Delivery([a, sinkOf("B")]);
  await delivery.start();
  enqueue(delivery, "a", 1, 0);
  await turn();
  delivery.dispatcher.become([sinkOf("B")], PATIENCE).unroute();
  await delivery.clock.advance(PATIENCE / 2);
  assert.equal(a.sink.disposed, 0);
  a.sink.otherwise = take;
  await delivery.clock.advance(30_000);
  assert.deepEqual(a.sink.takenIds, ["a-1"]);
  assert.equal(a.sink.disposed, 1);
  assert.deepEqual((await delivery.metrics.droppedEvents.get()).values, []);
});

for (
  const [what, error] of [["in an outage", retryable()], ["that is down", fatal()], [
    "that hangs",
    undefined,
  ]] as const
) {
  Deno.test(`what a removed sink ${what} does not take in its time is dropped, counted and told, and holds nothing up`, async () => {
    const a = sinkOf("A");
    a.sink.otherwise = error ? throwing(error) : hang;
    const queue = { maxEvents: 2, maxBytes: 1e6 };
    await using delivery = new Delivery([{ ...a, queue, maxBatchSize: 1 }, sinkOf("B")]);
    const { dispatcher } = delivery;
    await delivery.start();
    enqueue(delivery, "a", 1, 0, 1);
    enqueue(delivery, "b", 2, 0, 1);
    dispatcher.settle(10n);
    const changes = dispatcher.become([sinkOf("B")], PATIENCE);
    const room = dispatcher.room(new AbortController().signal);
    await delivery.clock.advance(PATIENCE - 1);
    assert.equal(dispatcher.confirmable, undefined);
    await delivery.clock.advance(70_000); // a sink that only hangs counts as connected for a minute
    await room;
    assert.equal(dispatcher.confirmable, 10n);
    // The transaction under way may still have events for it.
    enqueue(delivery, "a", 3, 0, 1);
    await turn();
    dispatcher.settle(20n);
    assert.equal(dispatcher.confirmable, 20n);
    changes.unroute();
    assert.deepEqual(dispatcher.states().map(({ name }) => name), ["B"]);
    assert.deepEqual(await gaugedSinks(delivery), ["B"]);
    const [dropped] = (await delivery.metrics.droppedEvents.get()).values;
    assert.deepEqual([dropped?.labels, dropped?.value], [{ sink: "A" }, 3]);
    const told = delivery.log.records.filter(({ level, fields }) => level === "error" && "events" in fields);
    assert.deepEqual(told.map(({ fields }) => fields), [{ sink: "A", events: 2 }]);
    assert.equal(a.sink.disposed, error ? 1 : 0, "a sink that still delivers must not be disposed of");
  });
}

Deno.test("while nothing may be sent, nothing that a removed sink has not got is given up", async () => {
  const a = sinkOf("A");
  a.sink.otherwise = throwing(retryable());
  let mayDeliver = true;
  await using delivery = new Delivery([a, sinkOf("B")], { mayDeliver: () => mayDeliver });
  await delivery.start();
  enqueue(delivery, "a", 1, 0);
  await turn();
  mayDeliver = false;
  delivery.dispatcher.become([sinkOf("B")], PATIENCE).unroute();
  await delivery.clock.advance(PATIENCE * 5);
  assert.deepEqual((await delivery.metrics.droppedEvents.get()).values, []);
  mayDeliver = true;
  a.sink.otherwise = take;
  delivery.dispatcher.reconsider();
  await turn();
  assert.deepEqual([a.sink.takenIds, a.sink.disposed, a.sink.breaches], [["a-1"], 1, []]);
});

Deno.test("a dead letter of a removed sink is still written", async () => {
  const a = sinkOf("A");
  a.sink.otherwise = failing({ "a-1": rejected() });
  await using delivery = new Delivery([a, sinkOf("B")]);
  const written = Promise.withResolvers<void>();
  delivery.deadLetters.gate = written.promise;
  await delivery.start();
  enqueue(delivery, "a", 1, 0);
  await turn();
  delivery.dispatcher.settle(10n);
  delivery.dispatcher.become([sinkOf("B")], PATIENCE).unroute();
  await turn();
  assert.equal(a.sink.disposed, 1, "it is not needed for that");
  assert.equal(delivery.dispatcher.confirmable, undefined);
  written.resolve();
  await turn();
  assert.deepEqual(delivery.deadLetters.ids, ["a-1"]);
  assert.equal(delivery.dispatcher.confirmable, 10n);
  assert.deepEqual(await gaugedSinks(delivery), ["B"]);
});

Deno.test("a sink that is wanted again before it has left goes on, with the same index", async () => {
  const a = sinkOf("A");
  const hold = a.sink.hold();
  await using delivery = new Delivery([a, sinkOf("B")]);
  const { dispatcher } = delivery;
  await delivery.start();
  enqueue(delivery, "a", 1, 0);
  await turn();
  dispatcher.become([sinkOf("B")], PATIENCE).unroute();
  await delivery.clock.advance(PATIENCE * 2); // it is slow, but connected
  const { indexes, added, changed } = dispatcher.become([sinkOf("B"), sinkOf("A")], PATIENCE);
  assert.deepEqual([added, changed, indexes.get("A")], [[], [], 0]);
  await delivery.clock.advance(PATIENCE * 10);
  hold.release();
  enqueue(delivery, "a", 2, 0);
  await turn();
  assert.deepEqual(a.sink.takenIds, ["a-1", "a-2"]);
  assert.equal(a.sink.disposed, 0);
  // When it is removed once more it has all its time once more.
  a.sink.otherwise = throwing(retryable());
  enqueue(delivery, "a", 3, 0);
  await turn();
  dispatcher.become([sinkOf("B")], PATIENCE).unroute();
  await delivery.clock.advance(PATIENCE / 2);
  assert.equal(a.sink.disposed, 0);
  await delivery.clock.advance(PATIENCE / 2);
  assert.equal(a.sink.disposed, 1);
});

Deno.test("a changed sink makes way once it has answered, and the queue goes on with the other in order", async () => {
  const [old, other] = [sinkOf("A"), sinkOf("A", new ScriptedSink(), "b")];
  const hold = old.sink.hold(failing({ "a-2": retryable() }));
  await using delivery = new Delivery([old]);
  await delivery.start();
  await delivery.send("a", "a", "b");
  await delivery.send("a", "c");
  const { changed, done } = delivery.dispatcher.become([other], PATIENCE);
  assert.deepEqual(changed, ["A"]);
  await delivery.send("a");
  assert.deepEqual([other.sink.connects, old.sink.disposed, old.sink.batches.length], [0, 0, 1]);
  hold.release();
  await done;
  await turn();
  assert.deepEqual([old.sink.disposed, other.sink.connects], [1, 1]);
  assert.deepEqual(old.sink.takenIds, ["a-1", "b-3"]);
  assert.deepEqual(other.sink.takenIds.filter((id) => id.startsWith("a")), ["a-2", "a-4", "a-6"]);
  assert.deepEqual([old.sink.breaches, other.sink.breaches], [[], []]);
  delivery.dispatcher.settle(10n);
  assert.equal(delivery.dispatcher.confirmable, 10n);
});

Deno.test("a changed sink in an outage makes way at once, without a pause for the other", async () => {
  const [old, other] = [sinkOf("A"), sinkOf("A", new ScriptedSink(), "b")];
  old.sink.otherwise = throwing(retryable());
  await using delivery = new Delivery([old]);
  await delivery.start();
  await delivery.send("a", "b", "a");
  await delivery.clock.advance(5000);
  await delivery.dispatcher.become([other], PATIENCE).done;
  await turn();
  assert.deepEqual(other.sink.batches, [["a-1", "b-2", "a-3"]], "a whole batch again");
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
});

Deno.test("a changed sink that does not end is told to, and what it gives back is not held against any event", async () => {
  const [old, other] = [
    sinkOf("A", new ScriptedSink({ concurrency: 2 })),
    sinkOf("A", new ScriptedSink(), "b"),
  ];
  old.sink.hold();
  const retry = { initial: 200, max: 200, maxAttempts: 1 };
  await using delivery = new Delivery([{ ...old, retry }]);
  await delivery.start();
  await delivery.send("a");
  await delivery.send("b"); // is taken: a failure of the other would count
  const { done } = delivery.dispatcher.become([{ ...other, retry }], PATIENCE);
  await delivery.clock.advance(PATIENCE - 1);
  assert.equal(other.sink.connects, 0);
  await delivery.clock.advance(1);
  await done;
  await turn();
  assert.deepEqual([old.sink.takenIds, other.sink.takenIds], [["b-2"], ["a-1"]]);
  assert.deepEqual(delivery.deadLetters.ids, []);
  assert.deepEqual([old.sink.disposed, old.sink.breaches], [1, []]);
});

Deno.test("a changed sink that does not even answer the abort is left behind, and the queue goes on", async () => {
  const [old, other] = [sinkOf("A"), sinkOf("A", new ScriptedSink(), "b")];
  const late = Promise.withResolvers<readonly never[]>();
  old.sink.otherwise = () => late.promise;
  await using delivery = new Delivery([old]);
  await delivery.start();
  await delivery.send("a", "b");
  const { done } = delivery.dispatcher.become([other], PATIENCE);
  await delivery.clock.advance(PATIENCE + 2000);
  await done;
  await turn();
  assert.deepEqual(other.sink.takenIds, ["a-1", "b-2"]);
  late.resolve([]);
  await delivery.send("a");
  assert.deepEqual(other.sink.takenIds, ["a-1", "b-2", "a-3"]);
  const { queuedEvents, queuedBytes } = delivery.dispatcher.states()[0] ?? {};
  assert.deepEqual([queuedEvents, queuedBytes, old.sink.disposed], [0, 0, 0]);
});

Deno.test("a sink that is down comes back with a reload, though nothing has changed", async () => {
  const [old, other] = [sinkOf("A"), sinkOf("A")];
  old.sink.otherwise = throwing(fatal());
  await using delivery = new Delivery([old]);
  await delivery.start();
  await delivery.send("a", "b");
  assert.equal(delivery.dispatcher.states()[0]?.state, "down");
  const { changed, done } = delivery.dispatcher.become([other], PATIENCE);
  assert.deepEqual(changed, ["A"]);
  await done;
  await turn();
  assert.deepEqual(other.sink.takenIds, ["a-1", "b-2"]);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
  assert.equal(delivery.dispatcher.states()[0]?.lastError, undefined);
});

Deno.test("a stop in the middle of a change disposes of both sinks, and settles nothing that was not delivered", async () => {
  const [old, other] = [sinkOf("A"), sinkOf("A", new ScriptedSink(), "b")];
  old.sink.otherwise = new Hold().delivery();
  await using delivery = new Delivery([old]);
  await delivery.start();
  await delivery.send("a");
  delivery.dispatcher.settle(10n);
  const { done } = delivery.dispatcher.become([other], PATIENCE);
  await turn();
  await delivery.dispatcher.drain(AbortSignal.abort());
  await done;
  assert.deepEqual([old.sink.disposed, other.sink.disposed, other.sink.connects], [1, 1, 0]);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  assert.equal(delivery.clock.timers, 0);
});
