import assert from "node:assert/strict";
import type { ParkingSettings, SinkSettings } from "../../src/deliver/sink_settings.ts";
import type { CloudEvent } from "../../src/sink/sink.ts";
import { BEGINNING, Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import { fatal, hang, Hold, retryable, ScriptedSink, take, throwing } from "../support/scripted_sink.ts";
import { TryingOutbox } from "../support/trying_outbox.ts";

const NEVER = new AbortController().signal;
const DAY = 24 * 60 * 60 * 1_000;
const PARKING: ParkingSettings = {
  parkAfter: 30_000,
  maxParkedBytes: 1_000_000,
  maxParkedAge: 1e9,
  whenFull: "block",
};

Deno.test("a sink that takes nothing for parkAfter has its events parked; the slot moves on, and others never notice", async () => {
  const down = new ScriptedSink();
  const well = new ScriptedSink();
  await using outbox = new TryingOutbox();
  await using delivery = await parking([down, well], outbox);
  down.otherwise = throwing(retryable());
  await delivery.send("a", "b", "c");
  delivery.dispatcher.settle(3n);
  await delivery.clock.advance(29_999);
  assert.deepEqual([delivery.dispatcher.confirmable, await outbox.ids()], [undefined, []]);
  assert.equal(delivery.dispatcher.states()[0]?.state, "retrying");
  await delivery.clock.advance(1);
  assert.deepEqual([delivery.dispatcher.confirmable, await outbox.ids()], [3n, ["a-1", "b-2", "c-3"]]);
  await delivery.send("a", "d");
  delivery.dispatcher.settle(5n);
  await delivery.clock.advance(50);
  assert.equal(delivery.dispatcher.confirmable, 5n);
  assert.deepEqual(await outbox.ids(), ["a-1", "b-2", "c-3", "a-4", "d-5"]);
  const { state, parkedEvents, parkedBytes, holdsSlot } = delivery.dispatcher.states()[0] ?? {};
  assert.deepEqual([state, parkedEvents, parkedBytes, holdsSlot], ["parked", 5, 35, false]);
  assert.deepEqual(well.takenIds, ["a-1", "b-2", "c-3", "a-4", "d-5"]);

  down.otherwise = take;
  await delivery.clock.advance(30_000);
  assert.deepEqual(down.takenIds, ["a-1", "b-2", "c-3", "a-4", "d-5"]);
  assert.deepEqual(await outbox.ids(), []);
  await delivery.send("a");
  assert.deepEqual(down.takenIds.slice(5), ["a-6"], "live again");
  assert.equal(outbox.parked, 5);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
  assert.deepEqual(down.breaches, []);
  const ours = delivery.log.records.filter(({ fields }) => fields.sink === "Sink0").map(({ message }) =>
    message
  );
  assert.deepEqual(ours, [
    "Sink takes no events: trying again until it does",
    "Sink takes no events: they are parked, and the replication slot moves on",
    "Sink is back",
    "Sink has nothing parked any more",
  ]);
});

Deno.test("a sink's events are parked after parkAfter, whatever the wall clock is set to meanwhile", async () => {
  for (const jump of [DAY, -DAY]) {
    const down = new ScriptedSink();
    await using outbox = new TryingOutbox();
    await using delivery = await parking([down], outbox);
    delivery.clock.jump(jump);
    down.otherwise = throwing(retryable());
    await delivery.send("a");
    await delivery.clock.advance(29_999);
    assert.deepEqual(await outbox.ids(), []);
    await delivery.clock.advance(1);
    assert.deepEqual(await outbox.ids(), ["a-1"]);
    delivery.clock.jump(jump);
    await delivery.send("b");
    down.otherwise = take;
    await delivery.clock.advance(30_000);
    assert.deepEqual(down.takenIds, ["a-1", "b-2"]);
    const back = delivery.log.records.find(({ message }) => message === "Sink has nothing parked any more");
    const seconds = Number(back?.fields["parkedSeconds"]);
    assert(seconds >= 0 && seconds <= 30, `${seconds} s`);
  }
});

Deno.test("what is in the outbox at the start comes first, and what the stream tells meanwhile after it", async () => {
  await using outbox = new TryingOutbox();
  {
    const sink = new ScriptedSink();
    sink.otherwise = throwing(retryable());
    await using delivery = await parking([sink], outbox);
    await delivery.send("a", "b");
    await delivery.clock.advance(30_000);
    await delivery.send("a", "c");
  }
  const sink = new ScriptedSink();
  const hold = new Hold();
  sink.otherwise = hold.delivery();
  await using delivery = new Delivery([{ sink, parking: PARKING, maxBatchSize: 1 }], { outbox });
  outbox.broken = new Error("the database is starting up");
  const resumed = delivery.dispatcher.resume(BEGINNING);
  await delivery.start();
  await delivery.clock.advance(5_000);
  outbox.broken = undefined;
  await delivery.clock.advance(30_000);
  await resumed;
  assert.deepEqual(delivery.log.records.map(({ message }) => message), [
    "Cannot look what is parked: the sink gets nothing before",
    "Events are parked from before: they come first",
    "Sink has nothing parked any more", // it is all with the worker
  ]);
  await delivery.send("x", "a");
  delivery.dispatcher.settle(9n);
  await turn();
  sink.otherwise = take;
  hold.release();
  await delivery.clock.advance(1);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "a-3", "c-4", "x-1", "a-2"]);
  assert.equal(delivery.dispatcher.confirmable, 9n);
  assert.deepEqual(await outbox.ids(), []);
});

Deno.test("a sink that is down for good is parked, and so is one that does not answer at all", async () => {
  const down = new ScriptedSink();
  down.otherwise = throwing(fatal());
  const silent = new ScriptedSink();
  silent.otherwise = hang;
  await using outbox = new TryingOutbox();
  await using delivery = await parking(
    [{ sink: down }, { sink: silent, queue: { maxEvents: 4, maxBytes: 1e6 } }],
    outbox,
  );
  await delivery.send("a", "b", "c", "d");
  assert.notEqual(delivery.dispatcher.room(NEVER), undefined);
  await delivery.clock.advance(30_000);
  assert.equal(delivery.dispatcher.room(NEVER), undefined);
  await delivery.send("e");
  delivery.dispatcher.settle(5n);
  await delivery.clock.advance(50);
  assert.equal(delivery.dispatcher.confirmable, 5n);
  assert.deepEqual(delivery.dispatcher.states().map(({ state }) => state), ["parked", "parked"]);
  assert.equal(delivery.dispatcher.states()[0]?.lastError, "401");
});

Deno.test("a sink that does not answer is parked though its queue has room, and nothing more happens", async () => {
  const [silent, late] = [new ScriptedSink(), new ScriptedSink()];
  const hold = new Hold();
  silent.otherwise = hang;
  late.deliveries.push(hold.delivery(), hang);
  await using outbox = new TryingOutbox();
  await using delivery = await parking([silent, late], outbox);
  await delivery.send("a");
  delivery.dispatcher.settle(1n);
  await delivery.clock.advance(59_000);
  hold.release();
  await delivery.send("b");
  delivery.dispatcher.settle(2n);
  await delivery.clock.advance(5_000);
  assert.deepEqual(delivery.dispatcher.states().map(({ state }) => state), ["parked", "connected"]);
  await delivery.clock.advance(60_000);
  assert.deepEqual(delivery.dispatcher.states().map(({ state }) => state), ["parked", "parked"]);
  assert.equal(delivery.dispatcher.confirmable, 2n);
});

Deno.test("a queue that is filled by what was held back tells, too, that its sink does not answer", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = hang;
  await using outbox = new TryingOutbox();
  const queue = { maxEvents: 4, maxBytes: 1e6 };
  await using delivery = await parking([{ sink, queue, maxBatchSize: 1 }], outbox);
  await delivery.send("a", "b", "c", "d");
  const looked = Promise.withResolvers<void>();
  outbox.gate = looked.promise;
  const resumed = delivery.dispatcher.resume({ ...BEGINNING, wasElsewhere: true });
  await delivery.clock.advance(15_000);
  looked.resolve();
  await resumed;
  assert.notEqual(delivery.dispatcher.room(NEVER), undefined);
  await delivery.clock.advance(10_000);
  assert.equal(delivery.dispatcher.states()[0]?.state, "parked");
  assert.equal(delivery.dispatcher.room(NEVER), undefined);
});

Deno.test("a sink that may be sent nothing is not parked for that, however full its queue, and still is if it does not answer then", async () => {
  for (const answers of [true, false]) {
    const sink = new ScriptedSink();
    if (!answers) sink.otherwise = hang;
    let mayDeliver = true;
    await using outbox = new TryingOutbox();
    const queue = { maxEvents: 4, maxBytes: 1e6 };
    const options = { mayDeliver: () => mayDeliver };
    await using delivery = await parking([{ sink, queue }], outbox, options);
    mayDeliver = false;
    await delivery.send("a", "b", "c", "d");
    await delivery.clock.advance(60_000);
    assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
    mayDeliver = true;
    delivery.dispatcher.reconsider();
    await delivery.clock.advance(4_999);
    assert.deepEqual([sink.takenIds.length, await outbox.ids()], [answers ? 4 : 0, []]);
    await delivery.clock.advance(1);
    assert.equal(delivery.dispatcher.states()[0]?.state, answers ? "connected" : "parked");
    assert.equal(outbox.parked, answers ? 0 : 4);
  }
});

Deno.test("the slot moves past parked events only once the stream has come past their rows, without keeping them", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([sink], outbox);
  await delivery.send("a", "b");
  delivery.dispatcher.settle(10n);
  outbox.lsn = 100n;
  await delivery.clock.advance(30_000);
  assert.deepEqual(await outbox.ids(), ["a-1", "b-2"]);
  delivery.dispatcher.settle(99n);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  for (const lsn of [200n, 300n, 400n, 500n]) { // in the midst of a large transaction
    outbox.lsn = lsn;
    await delivery.send("a");
    await delivery.clock.advance(50);
  }
  delivery.dispatcher.settle(150n);
  assert.equal(delivery.dispatcher.confirmable, 99n);
  delivery.dispatcher.settle(499n);
  assert.equal(delivery.dispatcher.confirmable, 150n - 51n);
  delivery.dispatcher.settle(500n);
  assert.equal(delivery.dispatcher.confirmable, 500n);
});

Deno.test("while the outbox cannot be written nothing is lost or confirmed, and it is tried again", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([{ sink, queue: { maxEvents: 3, maxBytes: 1e6 } }], outbox);
  outbox.broken = new Error("database or disk is full");
  await delivery.send("a", "a");
  await delivery.clock.advance(30_000);
  await delivery.send("a", "a", "a");
  delivery.dispatcher.settle(5n);
  assert.notEqual(delivery.dispatcher.room(NEVER), undefined, "it is bounded");
  const { state, holdsSlot, lastError } = delivery.dispatcher.states()[0] ?? {};
  assert.deepEqual([state, holdsSlot, lastError], ["parked", true, "database or disk is full"]);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  outbox.broken = undefined;
  outbox.forgetful = true; // the rows are there, and nobody knows
  await delivery.clock.advance(60_000);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  outbox.forgetful = false;
  await delivery.clock.advance(60_000);
  assert.equal(delivery.dispatcher.confirmable, 5n);
  assert.equal(delivery.dispatcher.room(NEVER), undefined);
  sink.otherwise = take;
  await delivery.clock.advance(60_000);
  assert.deepEqual(sink.takenIds, ["a-1", "a-2", "a-3", "a-4", "a-5"]);
  assert.deepEqual(await outbox.ids(), []);
});

Deno.test("that a disk is full is told once, though what is there can be read and the outbox is drained", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([{ sink, queue: { maxEvents: 4, maxBytes: 1e6 } }], outbox);
  await delivery.send("a");
  await delivery.clock.advance(30_000);
  for (let n = 0; n < 2_000; n++) await delivery.send("a");
  outbox.isFull = true;
  sink.otherwise = take;
  for (let n = 0; n < 4; n++) {
    await delivery.send("a");
    await delivery.clock.advance(60_000);
  }
  delivery.dispatcher.settle(2_005n);
  assert.equal(delivery.dispatcher.confirmable, 2_005n);
  assert.deepEqual(sink.takenIds, Array.from({ length: 2_005 }, (_, n) => `a-${n + 1}`));
  const told = delivery.log.records.filter(({ level }) => level === "error").map(({ message }) => message);
  assert.deepEqual(told, ["Cannot use the outbox: events stay where they are until it works"]);
});

Deno.test("a sink that is back before anything could be written gets it all the same", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([sink], outbox);
  outbox.broken = new Error("database or disk is full");
  await delivery.send("a", "b");
  await delivery.clock.advance(30_000);
  await delivery.send("a", "c");
  delivery.dispatcher.settle(4n);
  sink.otherwise = take;
  await delivery.clock.advance(60_000);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "a-3", "c-4"]);
  assert.equal(delivery.dispatcher.confirmable, 4n);
});

Deno.test("a full outbox holds the slot until there is room again", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  const limits = { parking: { ...PARKING, maxParkedBytes: 28 }, queue: { maxEvents: 2, maxBytes: 1e6 } };
  await using delivery = await parking([{ sink, ...limits }], outbox);
  await delivery.send("a");
  await delivery.clock.advance(30_000);
  for (const key of ["b", "c", "d", "e", "f"]) await delivery.send(key);
  delivery.dispatcher.settle(6n);
  assert.deepEqual(await outbox.ids(), ["a-1", "b-2", "c-3", "d-4"]);
  assert.notEqual(delivery.dispatcher.room(NEVER), undefined);
  assert.equal(delivery.dispatcher.states()[0]?.holdsSlot, true);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  sink.otherwise = take;
  await delivery.clock.advance(60_000);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "c-3", "d-4", "e-5", "f-6"]);
  assert.equal(delivery.dispatcher.confirmable, 6n);
});

Deno.test("or drops the oldest events for new ones, counts them, and tells of the gap in their place", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  const limits = {
    parking: { ...PARKING, maxParkedBytes: 280, whenFull: "drop-oldest" as const },
    queue: { maxEvents: 2, maxBytes: 1e6 },
  };
  await using delivery = await parking([{ sink, ...limits }], outbox, {
    gapType: (route) => `Gap of ${route}`,
  });
  await delivery.send("a", "b");
  await delivery.clock.advance(30_000);
  for (let n = 0; n < 100; n++) await delivery.send("c");
  delivery.dispatcher.settle(102n);
  assert.equal(delivery.dispatcher.confirmable, 102n, "the slot moves on");
  sink.otherwise = take;
  await delivery.clock.advance(60_000);
  const gaps = sink.taken.filter(({ type }) => type === "Gap of to-0");
  const [gap] = gaps;
  assert.equal(gaps.length, 1);
  const { reason, graph, from, to, count } = JSON.parse(gap?.data ?? "");
  assert.deepEqual({ reason, graph, from }, {
    reason: "dropped_by_policy",
    graph: "digitaltwins",
    from: "0/3",
  });
  assert.deepEqual(sink.takenIds.slice(0, 3), ["a-1", "b-2", gap?.id]);
  const rest = Array.from({ length: 100 - count }, (_, n) => `c-${n + 3 + count}`);
  assert.deepEqual(sink.takenIds.slice(3), rest);
  assert(count > 60 && count < 90, `${count} are missing`);
  assert.equal(Number(`0x${to.slice(2)}`), count + 2);
  const { values: [dropped] } = await delivery.metrics.parkedDropped.get();
  assert.deepEqual([dropped?.value, dropped?.labels], [count, { sink: "Sink0" }]);
});

Deno.test("the oldest are dropped though what is left of others, or what comes next, takes a page of the outbox", async () => {
  const large = { data: JSON.stringify("x".repeat(5_000_000)), committedAt: 0 };
  const small = { data: JSON.stringify("x".repeat(1_000)), committedAt: 0 };
  for (
    const { event, events, atOnce, graphs, maxParkedBytes } of [
      { event: large, events: 20, atOnce: 1, graphs: 1, maxParkedBytes: 20_000_000 },
      { event: small, events: 1_100, atOnce: 20, graphs: 600, maxParkedBytes: 200_000 },
    ]
  ) {
    const sink = new ScriptedSink();
    sink.otherwise = throwing(retryable());
    await using outbox = new TryingOutbox();
    const parkingSettings = { ...PARKING, maxParkedBytes, whenFull: "drop-oldest" as const };
    const limits = { parking: parkingSettings, queue: { maxEvents: 2 * atOnce, maxBytes: 1e8 } };
    await using delivery = await parking([{ sink, ...limits }], outbox);
    await delivery.send("a", "b");
    await delivery.clock.advance(30_000);
    for (let number = 3; number < 3 + events; number++) {
      const next = { ...routerEvent("c", number, event), graph: `graph-${number % graphs}` };
      delivery.dispatcher.enqueue(next, [{ sink: 0, route: "r" }]);
      if (number % atOnce === 0) await delivery.clock.advance(50);
    }
    const { parkedBytes = NaN } = delivery.dispatcher.states()[0] ?? {};
    assert(parkedBytes <= maxParkedBytes, `${parkedBytes} bytes are parked`);
    assert(parkedBytes > maxParkedBytes / 4, `only ${parkedBytes} bytes are parked`);
  }
});

Deno.test("events that have waited too long are dropped as well, or hold the slot", async () => {
  for (const whenFull of ["drop-oldest", "block"] as const) {
    const sink = new ScriptedSink();
    sink.otherwise = throwing(retryable());
    await using outbox = new TryingOutbox();
    const limits = {
      parking: { ...PARKING, maxParkedAge: 60_000, whenFull },
      queue: { maxEvents: 1, maxBytes: 1e6 },
    };
    await using delivery = await parking([{ sink, ...limits }], outbox);
    await delivery.send("a");
    await delivery.clock.advance(30_000);
    await delivery.send("b");
    await delivery.send("c");
    await delivery.clock.advance(60_001);
    await delivery.send("d");
    delivery.dispatcher.settle(4n);
    assert.equal(delivery.dispatcher.confirmable, whenFull === "block" ? undefined : 4n);
    sink.otherwise = take;
    await delivery.clock.advance(60_000);
    const taken = sink.taken.map(({ id, type }) => type.endsWith("Gap") ? "gap" : id);
    assert.deepEqual(taken, whenFull === "block" ? ["a-1", "b-2", "c-3", "d-4"] : ["a-1", "gap", "d-4"]);
  }
});

Deno.test("what comes one by one is parked together, soon", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([sink], outbox);
  await delivery.send("a");
  await delivery.clock.advance(30_000);
  const before = outbox.writes;
  for (let n = 0; n < 200; n++) {
    await delivery.send("a");
    await delivery.clock.advance(5);
  }
  delivery.dispatcher.settle(201n);
  assert(outbox.writes - before <= 21, `${outbox.writes - before} writes in a second`);
  await delivery.clock.advance(50);
  assert.equal(delivery.dispatcher.confirmable, 201n);
});

Deno.test("stopping writes what waits, and does not drain the outbox", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  const limits = { queue: { maxEvents: 100, maxBytes: 1e6 }, maxBatchSize: 10 };
  await using delivery = await parking([{ sink, ...limits }], outbox);
  await delivery.send("a");
  await delivery.clock.advance(30_000);
  const keys = Array.from({ length: 50 }, (_, n) => `k${n % 7}`);
  for (let n = 0; n < 40; n++) await delivery.send(...keys);
  assert.equal((await outbox.ids()).length, 2_001);
  const hold = new Hold();
  sink.otherwise = hold.delivery();
  await delivery.clock.advance(30_000);
  delivery.enqueue("z");
  delivery.dispatcher.settle(7n);
  const drained = delivery.dispatcher.drain(NEVER);
  sink.otherwise = take;
  hold.release();
  await delivery.clock.advance(1);
  await drained;
  assert.equal(delivery.dispatcher.confirmable, 7n);
  const left = await outbox.ids();
  assert(left.length > 1_500, `${left.length} are left`);
  assert.equal(left.at(-1), "z-2002");
  assert.equal(sink.taken.length + left.length, 2_002);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("what is parked for a sink that is removed stays, and comes first when there is one of its name again", async () => {
  const gone = new ScriptedSink();
  gone.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([gone], outbox);
  await delivery.send("a", "b");
  await delivery.clock.advance(30_000);
  await delivery.send("a");
  delivery.dispatcher.settle(3n);
  delivery.dispatcher.become([], 1_000).unroute();
  await delivery.clock.advance(10_000);
  assert.deepEqual(delivery.dispatcher.states(), []);
  assert.deepEqual(await outbox.ids(), ["a-1", "b-2", "a-3"]);

  const again = new ScriptedSink();
  const settings = {
    name: "Sink0",
    kind: "scripted",
    sink: again,
    maxBatchSize: 50,
    retry: { initial: 200, max: 30_000, maxAttempts: 10 },
    queue: { maxEvents: 10_000, maxBytes: 1e6 },
    parking: PARKING,
  };
  const index = delivery.dispatcher.become([settings], 1_000).indexes.get("Sink0") ?? -1;
  delivery.dispatcher.enqueue(routerEvent("a", 4), [{ sink: index, route: "r" }]);
  delivery.dispatcher.settle(4n);
  await delivery.clock.advance(1_000);
  assert.deepEqual(again.takenIds, ["a-1", "b-2", "a-3", "a-4"]);
  assert.equal(delivery.dispatcher.confirmable, 4n);
  assert.deepEqual(await outbox.ids(), []);
});

Deno.test("what was on its way to the outbox when a sink left it holds the slot no longer than the write takes, even if that fails", async () => {
  const gone = new ScriptedSink();
  gone.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([gone], outbox);
  await delivery.send("a");
  await delivery.clock.advance(30_000);
  const written = Promise.withResolvers<void>();
  outbox.gate = written.promise;
  await delivery.send("b", "c");
  delivery.dispatcher.settle(3n);
  delivery.dispatcher.become([], 1_000).unroute();
  await delivery.clock.advance(10_000);
  assert.deepEqual(delivery.dispatcher.states(), []);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  outbox.broken = new Error("no answer for 30 s");
  written.resolve();
  await delivery.clock.advance(1);
  assert.equal(delivery.dispatcher.confirmable, 3n);
  outbox.broken = undefined;
});

Deno.test("a look at the outbox that is answered late does not count when the stream has begun anew meanwhile", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  const answered = Promise.withResolvers<void>();
  outbox.answer = answered.promise;
  const settings = { sink, parking: PARKING, queue: { maxEvents: 4, maxBytes: 1e6 } };
  await using delivery = new Delivery([settings], { outbox });
  const resumed = [delivery.dispatcher.resume(BEGINNING)];
  await delivery.start();
  outbox.answer = Promise.resolve();
  resumed.push(delivery.dispatcher.resume({ ...BEGINNING, wasElsewhere: true }));
  await delivery.send("a", "b", "c", "d");
  await delivery.clock.advance(2_000);
  await delivery.send("a", "b", "c");
  await delivery.clock.advance(50);
  answered.resolve();
  await Promise.all(resumed);
  sink.otherwise = take;
  await delivery.send("a");
  await delivery.clock.advance(120_000);
  await delivery.send("a");
  await delivery.clock.advance(120_000);
  delivery.dispatcher.settle(9n);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "c-3", "d-4", "a-5", "b-6", "c-7", "a-8", "a-9"]);
  assert.deepEqual(await outbox.ids(), []);
  assert.equal(delivery.dispatcher.confirmable, 9n);
});

Deno.test("a stop does not wait until the outbox can be read", async () => {
  await using outbox = new TryingOutbox();
  await using delivery = new Delivery([{ sink: new ScriptedSink(), parking: PARKING }], { outbox });
  await delivery.start();
  outbox.broken = new Error("the database is starting up");
  const stop = new AbortController();
  const ended = delivery.dispatcher.resume(BEGINNING, stop.signal).then(() => "resumed", () => "stopped");
  await delivery.clock.advance(5_000);
  stop.abort();
  assert.equal(await Promise.race([ended, turn()]), "stopped");
  await delivery.dispatcher.drain(NEVER);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("after a lost connection what is parked and with the sink's worker is still to be delivered", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using outbox = new TryingOutbox();
  await using delivery = await parking([sink], outbox);
  await delivery.send("a", "b");
  delivery.dispatcher.settle(3n);
  await delivery.clock.advance(30_000);
  assert.equal(delivery.dispatcher.confirmable, 3n);
  await delivery.dispatcher.resume({ ...BEGINNING, confirmed: 3n });
  sink.otherwise = take;
  await delivery.clock.advance(30_000);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2"]);
  assert.deepEqual(await outbox.ids(), []);
});

Deno.test("what is parked for a sink that has it already, since a crash came between, leaves the outbox unsent", async () => {
  await using outbox = new TryingOutbox();
  {
    const sink = new ScriptedSink();
    sink.otherwise = throwing(retryable());
    await using delivery = await parking([sink], outbox);
    await delivery.send("a", "b", "a");
    await delivery.clock.advance(30_000);
  }
  const sink = Object.assign(new ScriptedSink({ maxEvents: 10, inOrder: true }), {
    has: ({ id }: CloudEvent) => id === "a-1" || id === "b-2",
  });
  await using delivery = await parking([sink], outbox);
  delivery.dispatcher.begin({ systemIdentifier: "7", slot: "s", timeline: 1, ancestors: [] }, false);
  await delivery.clock.advance(1_000);
  assert.deepEqual(sink.takenIds, ["a-3"]);
  assert.deepEqual(await outbox.ids(), []);
  assert.equal(delivery.dispatcher.states()[0]?.parkedEvents, 0);
});

/** A delivery with this outbox that has begun. */
async function parking(
  sinks: readonly (ScriptedSink | Partial<SinkSettings> & { readonly sink: ScriptedSink })[],
  outbox: TryingOutbox,
  options: ConstructorParameters<typeof Delivery>[1] = {},
): Promise<Delivery> {
  const settings = sinks.map((sink) => ({
    parking: PARKING,
    ...(sink instanceof ScriptedSink ? { sink } : sink),
  }));
  const delivery = new Delivery(settings, { outbox, ...options });
  await delivery.dispatcher.resume(BEGINNING);
  await delivery.start();
  return delivery;
}
