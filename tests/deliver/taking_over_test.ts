import assert from "node:assert/strict";
import { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import { PlainSink, PositionedFarEnd, PositionedSink } from "../support/positioned_sink.ts";
import { routerEvent } from "../support/router_events.ts";
import { retryable, take, throwing } from "../support/scripted_sink.ts";
import { become, IDS, started, STREAM, tell, TOLD } from "../support/taken_over.ts";

function away(farEnd: PositionedFarEnd): PlainSink {
  const sink = new PlainSink(farEnd);
  sink.otherwise = throwing(retryable());
  return sink;
}

Deno.test("a sink that begins to keep its position by a reload gets what is parked first, in order, then the rest", async () => {
  for (let parked = 1; parked < TOLD.length; parked++) {
    for (let told = parked; told <= TOLD.length; told++) {
      await using store = new SqliteStore(":memory:", "one");
      const farEnd = new PositionedFarEnd();
      await using delivery = await started(store, away(farEnd));
      await tell(delivery, 0, parked);
      await delivery.clock.advance(31_000);
      await tell(delivery, parked, told);
      await delivery.clock.advance(2_000); // some are read from the outbox again
      const exact = new PositionedSink(farEnd);
      await become(delivery, exact, "exact");
      await tell(delivery, told, TOLD.length);
      await delivery.clock.advance(60_000);
      assert.deepEqual(farEnd.ids, IDS, `${parked} parked with the worker, ${told} told`);
      assert.deepEqual(exact.apart, IDS.slice(0, told), "they move no position");
      assert.equal(delivery.dispatcher.states()[0]?.parkedEvents, 0);
    }
  }
});

Deno.test("a sink that begins to keep its position by a restart gets what is parked first, and the stream from there on", async () => {
  for (let parked = 1; parked <= TOLD.length; parked++) {
    for (const from of [0, 1, 6].filter((from) => from <= parked)) {
      await using store = new SqliteStore(":memory:", "one");
      const farEnd = new PositionedFarEnd();
      {
        await using delivery = await started(store, away(farEnd));
        await tell(delivery, 0, parked);
        await delivery.clock.advance(31_000);
      }
      await using delivery = await started(store, new PositionedSink(farEnd));
      await tell(delivery, from, TOLD.length);
      await delivery.clock.advance(60_000);
      assert.deepEqual(farEnd.ids, IDS, `${parked} parked, told again from ${from}`);
      assert.equal(delivery.dispatcher.confirmable, 31n);
    }
  }
});

Deno.test("a position from before a sink kept none takes nothing for delivered that is parked or comes next", async () => {
  for (let first = 1; first < TOLD.length; first++) {
    for (let second = first + 1; second < TOLD.length; second++) {
      for (const isParked of [false, true]) {
        await using store = new SqliteStore(":memory:", "one");
        const farEnd = new PositionedFarEnd();
        await using delivery = await started(store, new PositionedSink(farEnd));
        await tell(delivery, 0, first);
        await become(delivery, isParked ? away(farEnd) : new PlainSink(farEnd), "plain");
        await tell(delivery, first, second);
        await delivery.clock.advance(31_000);
        await become(delivery, new PositionedSink(farEnd), "exact");
        await tell(delivery, second, TOLD.length);
        await delivery.clock.advance(60_000);
        assert.deepEqual(farEnd.ids, IDS, `${first} with a position, ${second} told, parked: ${isParked}`);
      }
    }
  }
});

Deno.test("what the stream tells while the outbox is emptied is not put there, and holds the slot", async () => {
  await using store = new SqliteStore(":memory:", "one");
  const farEnd = new PositionedFarEnd();
  await using delivery = await started(store, away(farEnd), 2);
  await tell(delivery, 0, 2);
  await delivery.clock.advance(31_000);
  await tell(delivery, 2, 4);
  const exact = new PositionedSink(farEnd);
  exact.otherwise = throwing(retryable());
  await become(delivery, exact, "exact", 2);
  await tell(delivery, 4, TOLD.length);
  await delivery.clock.advance(60_000);
  assert.equal(delivery.dispatcher.states()[0]?.parkedEvents, 4);
  assert.equal(delivery.dispatcher.states()[0]?.holdsSlot, true);
  assert.equal(delivery.dispatcher.confirmable, 11n);
  exact.otherwise = take;
  await delivery.clock.advance(60_000);
  assert.deepEqual(farEnd.ids, IDS);
  assert.equal(delivery.dispatcher.confirmable, 31n);
});

Deno.test("what a restart has found delivered is passed, even if the first delivery after that fails", async () => {
  for (let first = 1; first < TOLD.length; first++) {
    await using store = new SqliteStore(":memory:", "one");
    const farEnd = new PositionedFarEnd();
    {
      await using delivery = await started(store, new PositionedSink(farEnd));
      await tell(delivery, 0, first);
    }
    const again = new PositionedSink(farEnd);
    again.deliveries.push(throwing(retryable()));
    await using delivery = await started(store, again);
    await tell(delivery, 0, TOLD.length);
    await delivery.clock.advance(60_000);
    assert.deepEqual(farEnd.ids, IDS, `after ${first}`);
  }
});

Deno.test("a dead letter that is tried again moves no position past what is still to come", async () => {
  const farEnd = new PositionedFarEnd();
  const [early, late] = [1, 9].map((n) => routerEvent("a", n));
  const sink = new PositionedSink(farEnd);
  const signal = new AbortController().signal;
  await sink.connect(signal, { stream: STREAM });
  assert(early && late);
  await sink.deliver([late.event], signal, true);
  assert.equal(farEnd.position, undefined);
  assert.equal(sink.has(early.event), false);
});

Deno.test("how far a sink was when it began to keep its position counts after a restart", async () => {
  for (let first = 1; first < TOLD.length; first++) {
    await using store = new SqliteStore(":memory:", "one");
    const farEnd = new PositionedFarEnd();
    {
      await using delivery = await started(store, new PlainSink(farEnd));
      await tell(delivery, 0, first);
      await become(delivery, new PositionedSink(farEnd), "exact");
      await tell(delivery, first, first + 1);
      await delivery.clock.advance(1_000);
    }
    await using delivery = await started(store, new PositionedSink(farEnd));
    await tell(delivery, 0, TOLD.length);
    await delivery.clock.advance(1_000);
    assert.deepEqual(farEnd.ids, IDS, `after ${first}`);
  }
});
