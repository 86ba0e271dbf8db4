import assert from "node:assert/strict";
import { Dispatcher } from "../../src/deliver/dispatcher.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import type { Lsn } from "../../src/postgres/lsn.ts";
import { BEGINNING, DeadLetterRecords, Delivery, LogRecords } from "../support/delivery.ts";
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

const never = new AbortController().signal;

/** A transaction that ends at 10 is settled but for the row of its one event's dead letter, which is at `lsn`. */
async function withDeadLetterAt(lsn: Lsn): Promise<Delivery> {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": rejected() });
  const delivery = new Delivery([sink]);
  delivery.deadLetters.lsn = lsn;
  await delivery.start();
  await delivery.send("a");
  delivery.dispatcher.settle(10n);
  return delivery;
}

Deno.test("confirms what every sink has settled, and no more", async () => {
  const [fast, slow] = [new ScriptedSink(), new ScriptedSink()];
  const hold = new Hold();
  slow.deliveries.push(take, hold.delivery());
  await using delivery = new Delivery([fast, slow]);
  const { dispatcher } = delivery;
  await delivery.start();
  await delivery.send("a");
  dispatcher.settle(10n);
  await delivery.send("b");
  dispatcher.settle(20n);
  assert.deepEqual(fast.takenIds, ["a-1", "b-2"]);
  assert.equal(dispatcher.confirmable, 10n);
  hold.release();
  await turn();
  assert.equal(dispatcher.confirmable, 20n);
  assert.deepEqual(delivery.confirmed, [10n, 20n]);
});

Deno.test("a retried event holds back what comes after it", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(failing({ "a-1": retryable() }));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  delivery.enqueue("a");
  delivery.dispatcher.settle(10n);
  delivery.enqueue("b");
  delivery.dispatcher.settle(20n);
  await turn();
  assert.equal(delivery.dispatcher.confirmable, undefined);
  await delivery.clock.advance(200);
  assert.deepEqual(delivery.confirmed, [20n], "announced once");
});

Deno.test("with nothing outstanding a mark is confirmable at once, and events for no sink hold nothing", async () => {
  await using delivery = new Delivery([new ScriptedSink()]);
  const { dispatcher } = delivery;
  dispatcher.settle(10n);
  dispatcher.enqueue(routerEvent("a", 1), []);
  dispatcher.settle(20n);
  assert.deepEqual(delivery.confirmed, [10n, 20n]);
});

Deno.test("a dead letter settles its event once it is durable", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": rejected() });
  await using delivery = new Delivery([sink]);
  const written = Promise.withResolvers<void>();
  delivery.deadLetters.gate = written.promise;
  await delivery.start();
  await delivery.send("a");
  delivery.dispatcher.settle(10n);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  written.resolve();
  await turn();
  assert.equal(delivery.dispatcher.confirmable, 10n);
});

Deno.test("the slot moves past a dead letter only once the stream has come past its row", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": rejected(), "c-3": rejected() });
  await using delivery = new Delivery([{ sink, queue: { maxEvents: 3, maxBytes: 1e6 } }]);
  const { dispatcher, deadLetters } = delivery;
  deadLetters.lsn = 100n;
  await delivery.start();
  await delivery.send("a", "b");
  dispatcher.settle(10n);
  dispatcher.settle(99n);
  assert.equal(dispatcher.confirmable, undefined);
  deadLetters.lsn = 200n;
  await delivery.send("c", "d", "e"); // in the midst of a large transaction there is room for them
  assert.equal(dispatcher.room(AbortSignal.timeout(1_000)), undefined);
  dispatcher.settle(150n);
  assert.equal(dispatcher.confirmable, 99n);
  dispatcher.settle(200n);
  assert.deepEqual(delivery.confirmed, [99n, 200n]);
  assert.deepEqual(deadLetters.ids, ["a-1", "c-3"]);
});

Deno.test("a stream that is far behind confirms what is settled once no standby lacks the rows", async () => {
  await using delivery = await withDeadLetterAt(1_000n);
  const { dispatcher } = delivery;
  dispatcher.safe(999n);
  assert.deepEqual(delivery.confirmed, []);
  dispatcher.safe(1_000n);
  assert.deepEqual(delivery.confirmed, [10n]);
});

Deno.test("in another history nobody waits for the rows of the one before", async () => {
  await using delivery = await withDeadLetterAt(1_000n);
  const { dispatcher } = delivery;
  await dispatcher.resume({ ...BEGINNING, sameTimelineAsBefore: false });
  dispatcher.settle(5n);
  assert.deepEqual(delivery.confirmed, [5n]);
});

Deno.test("a dead letter names the route by which its sink got the event", async () => {
  const [first, second] = [new ScriptedSink(), new ScriptedSink()];
  first.otherwise = second.otherwise = failing({ "a-1": rejected() });
  await using delivery = new Delivery([first, second]);
  await delivery.start();
  await delivery.send("a");
  const letters = delivery.deadLetters.letters.map(({ sink, route }) => ({ sink, route }));
  assert.deepEqual(letters, [{ sink: "Sink0", route: "to-0" }, { sink: "Sink1", route: "to-1" }]);
});

Deno.test("after marks are forgotten the same LSN is announced again", async () => {
  await using delivery = new Delivery([new ScriptedSink()]);
  delivery.dispatcher.settle(10n);
  await delivery.dispatcher.resume({ ...BEGINNING, sameTimelineAsBefore: false });
  assert.equal(delivery.dispatcher.confirmable, undefined);
  delivery.dispatcher.settle(10n);
  assert.deepEqual(delivery.confirmed, [10n, 10n]);
});

Deno.test("tells when the oldest unsettled event was committed", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  await using delivery = new Delivery([sink]);
  const begin = delivery.clock.now();
  assert.equal(delivery.dispatcher.oldestCommittedAt, undefined);
  await delivery.start();
  await delivery.send("a");
  await delivery.clock.advance(1000);
  await delivery.send("b");
  assert.equal(delivery.dispatcher.oldestCommittedAt, begin);
  hold.release();
  await turn();
  assert.equal(delivery.dispatcher.oldestCommittedAt, undefined);
});

Deno.test("there is room until one sink's queue has as many events as it may", async () => {
  const [fast, slow] = [new ScriptedSink(), new ScriptedSink()];
  const hold = slow.hold();
  const queue = { maxEvents: 3, maxBytes: 1e6 };
  await using delivery = new Delivery([fast, { sink: slow, queue, maxBatchSize: 1 }]);
  await delivery.start();
  await delivery.send("a", "b");
  assert.equal(delivery.dispatcher.room(never), undefined);
  await delivery.send("c");
  const room = delivery.dispatcher.room(never);
  assert(room);
  assert.deepEqual(delivery.dispatcher.states().map((state) => state.queuedEvents), [0, 3]);
  hold.release();
  await room;
  assert.equal(delivery.dispatcher.room(never), undefined);
});

Deno.test("there is room until one sink's queue has as many bytes as it may", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  await using delivery = new Delivery([{ sink, queue: { maxEvents: 1000, maxBytes: 10 } }]);
  await delivery.start();
  await delivery.send("a"); // {"n":1} is 7 bytes
  assert.equal(delivery.dispatcher.room(never), undefined);
  await delivery.send("b");
  const room = delivery.dispatcher.room(never);
  assert(room);
  assert.equal(delivery.dispatcher.states()[0]?.queuedBytes, 14);
  hold.release();
  await room;
});

Deno.test("events that are retried or wait for the dead letters take room", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": retryable(), "b-2": rejected() });
  await using delivery = new Delivery([{ sink, queue: { maxEvents: 2, maxBytes: 1e6 } }]);
  delivery.deadLetters.broken = new Error("No space left on device");
  await delivery.start();
  await delivery.send("a", "b");
  const room = delivery.dispatcher.room(never);
  assert(room);
  delivery.deadLetters.broken = undefined;
  await delivery.clock.advance(30_000);
  await room;
});

Deno.test("whoever waits for room gives up when its signal aborts or the dispatcher ends", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = fatalThrow;
  await using delivery = new Delivery([{ sink, queue: { maxEvents: 1, maxBytes: 1e6 } }]);
  const { dispatcher } = delivery;
  await delivery.start();
  await delivery.send("a");
  const abort = new AbortController();
  const first = dispatcher.room(abort.signal);
  const second = dispatcher.room(never);
  assert(first && second);
  abort.abort(new Error("stop"));
  await assert.rejects(first, /stop/);
  await Promise.all([assert.rejects(second, { name: "AbortError" }), dispatcher.drain(never)]);
  await assert.rejects(dispatcher.room(never) ?? Promise.resolve(), { name: "AbortError" });
});

Deno.test("draining delivers what is queued, without lingering, and disposes the sinks", async () => {
  const [plain, gathering] = [new ScriptedSink(), new ScriptedSink({ lingerMs: 60_000 })];
  await using delivery = new Delivery([plain, gathering]);
  await delivery.start();
  await delivery.send("a", "b");
  delivery.dispatcher.settle(10n);
  assert.deepEqual(gathering.takenIds, []);
  await delivery.dispatcher.drain(never);
  assert.deepEqual(gathering.takenIds, ["a-1", "b-2"]);
  assert.equal(delivery.dispatcher.confirmable, 10n);
  for (const sink of [plain, gathering]) {
    assert.equal(sink.disposed, 1);
    assert.deepEqual(sink.breaches, []);
  }
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("draining waits for events that are retried", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(failing({ "a-1": retryable() }));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  delivery.dispatcher.settle(10n);
  const drained = delivery.dispatcher.drain(never);
  await delivery.clock.advance(200);
  await drained;
  assert.deepEqual(sink.takenIds, ["b-2", "a-1"]);
  assert.equal(delivery.dispatcher.confirmable, 10n);
});

Deno.test("draining waits for dead letters that are being written, but not for a file that fails", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": rejected(), "a-2": rejected() });
  await using delivery = new Delivery([sink]);
  const written = Promise.withResolvers<void>();
  delivery.deadLetters.gate = written.promise;
  await delivery.start();
  await delivery.send("a");
  delivery.dispatcher.settle(10n);
  const drained = delivery.dispatcher.drain(never);
  await delivery.clock.advance(10_000);
  written.resolve();
  await drained;
  assert.equal(delivery.dispatcher.confirmable, 10n);

  const other = new ScriptedSink();
  other.otherwise = sink.otherwise;
  await using broken = new Delivery([other]);
  broken.deadLetters.broken = new Error("No space left on device");
  await broken.start();
  await broken.send("a");
  broken.dispatcher.settle(10n);
  await broken.dispatcher.drain(never);
  assert.equal(broken.dispatcher.confirmable, undefined);
  assert.equal(broken.clock.timers, 0);
});

Deno.test("draining does not wait for sinks that are down or in an outage, but for the others", async () => {
  const [down, out, unreachable, well] = [1, 2, 3, 4].map(() => new ScriptedSink());
  assert(down && out && unreachable && well);
  const hold = new Hold();
  down.otherwise = fatalThrow;
  out.otherwise = throwing(retryable());
  unreachable.connection = () => Promise.reject(retryable());
  well.otherwise = hold.delivery();
  await using delivery = new Delivery([down, out, unreachable, well]);
  await delivery.start();
  await delivery.send("a", "b");
  delivery.dispatcher.settle(10n);
  const drained = delivery.dispatcher.drain(never);
  await turn();
  assert.equal(well.disposed, 0);
  hold.release();
  await drained;
  assert.deepEqual(well.takenIds, ["a-1", "b-2"]);
  assert.equal(delivery.dispatcher.confirmable, undefined, "what is left is not settled");
  for (const sink of delivery.sinks) assert.equal(sink.disposed, 1);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("when the time to drain is over, what is under way is aborted and nothing more goes out", async () => {
  const sink = new ScriptedSink({ maxEvents: 1 });
  sink.otherwise = new Hold().delivery();
  await using delivery = new Delivery([sink]);
  const abort = new AbortController();
  await delivery.start();
  await delivery.send("a", "b");
  delivery.dispatcher.settle(10n);
  const drained = delivery.dispatcher.drain(abort.signal);
  await turn();
  abort.abort();
  await drained;
  assert.deepEqual(sink.batches, [["a-1"]]);
  assert.deepEqual(sink.takenIds, []);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  assert.equal(sink.disposed, 1);
  assert.deepEqual(sink.breaches, []);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("what a sink completes in spite of the abort is settled", async () => {
  const sink = new ScriptedSink({ maxEvents: 2 });
  const hold = Promise.withResolvers<void>();
  sink.otherwise = async (batch, signal) => {
    await hold.promise;
    return await failing({ "a-1": retryable() })(batch, signal);
  };
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("b");
  delivery.dispatcher.settle(10n);
  const disposed = delivery.dispatcher[Symbol.asyncDispose]();
  hold.resolve();
  await disposed;
  assert.equal(delivery.dispatcher.confirmable, 10n);
});

Deno.test("a sink that does not end its delivery after the abort is left behind, not disposed", async () => {
  const [stuck, well] = [new ScriptedSink(), new ScriptedSink()];
  stuck.otherwise = hang;
  await using delivery = new Delivery([stuck, well]);
  await delivery.start();
  await delivery.send("a");
  const disposed = delivery.dispatcher[Symbol.asyncDispose]();
  await delivery.clock.advance(2000);
  await disposed;
  assert.equal(stuck.disposed, 0);
  assert.equal(well.disposed, 1);
  assert.deepEqual(delivery.log.levels, ["warn"]);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("a sink that fails to close, or never does, keeps nobody else from closing", async () => {
  const [failing, stuck, well] = [1, 2, 3].map(() => new ScriptedSink());
  assert(failing && stuck && well);
  failing[Symbol.asyncDispose] = () => {
    throw new Error("broken pipe");
  };
  stuck[Symbol.asyncDispose] = () => new Promise(() => {});
  await using delivery = new Delivery([failing, stuck, well]);
  await delivery.start();
  const drained = delivery.dispatcher.drain(never);
  await delivery.clock.advance(2000);
  await drained;
  assert.equal(well.disposed, 1);
  assert.deepEqual(delivery.log.levels, ["warn", "warn"]);
});

Deno.test("all ends are one end, and the shortest time counts", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = new Hold().delivery();
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  const drained = delivery.dispatcher.drain(never);
  await turn();
  assert.equal(sink.disposed, 0);
  await Promise.all([delivery.dispatcher[Symbol.asyncDispose](), drained]);
  assert.equal(sink.disposed, 1);
});

Deno.test("a dispatcher that never started ends too", async () => {
  const sink = new ScriptedSink();
  await using delivery = new Delivery([sink]);
  await delivery.send("a");
  await delivery.dispatcher.drain(never);
  assert.equal(sink.disposed, 1);
  assert.equal(sink.connects, 0);
});

Deno.test("works with the machine's clock, and leaves no timer of it", { sanitizeOps: true }, async () => {
  const sink = new ScriptedSink({ lingerMs: 1 });
  const done = Promise.withResolvers<void>();
  sink.deliveries.push(throwing(retryable()), failing({ "a-1": retryable() }));
  await using dispatcher = new Dispatcher([{
    name: "Sink",
    kind: "scripted",
    sink,
    maxBatchSize: 50,
    retry: { initial: 1, max: 3_600_000, maxAttempts: 10 },
    queue: { maxEvents: 10, maxBytes: 1000 },
  }], {
    deadLetters: new DeadLetterRecords(),
    metrics: new Metrics(),
    log: new LogRecords(),
    onConfirmable: () => done.resolve(),
  });
  dispatcher.start();
  dispatcher.enqueue(routerEvent("a", 1), [{ sink: 0, route: "all" }]);
  dispatcher.settle(1n);
  await done.promise;
  const tried = Promise.withResolvers<void>();
  sink.otherwise = () => {
    tried.resolve();
    throw retryable("an hour of waiting", 3_600_000);
  };
  dispatcher.enqueue(routerEvent("a", 2), [{ sink: 0, route: "all" }]);
  await tried.promise;
  await turn();
  assert.equal(dispatcher.states()[0]?.state, "retrying");
});

function fatalThrow(): Promise<never> {
  return Promise.reject(fatal());
}
