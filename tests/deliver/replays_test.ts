import assert from "node:assert/strict";
import { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import { Delivery } from "../support/delivery.ts";
import { failing, rejected, retryable, ScriptedSink, throwing } from "../support/scripted_sink.ts";

/** A started sink, whose dead letters can be replayed. */
async function opened() {
  const sink = new ScriptedSink();
  const store = new SqliteStore(":memory:", "one");
  const { deadLetters } = store;
  const delivery = new Delivery([sink], { deadLetters, shelf: deadLetters });
  await delivery.start();
  return {
    sink,
    store,
    delivery,
    ids: async () => (await deadLetters.page({}, 0, 10_000)).map(({ id }) => id),
    async [Symbol.asyncDispose]() {
      await delivery[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a dead letter that somebody wants replayed is delivered with its id, and is gone", async () => {
  await using test = await opened();
  const { sink, store, delivery } = test;
  sink.deliveries.push(failing({ "a-1": rejected() }));
  await delivery.send("a", "b");
  assert.deepEqual(sink.takenIds, ["b-2"]);
  assert.equal(await store.deadLetters.replay(await test.ids()), 1);
  await delivery.clock.advance(2_000);
  assert.deepEqual(sink.takenIds, ["b-2", "a-1"]);
  assert.equal(sink.taken[1]?.data, '{"n":1}');
  await delivery.clock.advance(2_000);
  assert.deepEqual(await test.ids(), []);
  assert.deepEqual(sink.takenIds, ["b-2", "a-1"], "once");
});

Deno.test("one that fails again is the same dead letter as before, and waits to be wanted again", async () => {
  await using test = await opened();
  const { sink, store, delivery } = test;
  sink.otherwise = failing({ "a-1": rejected("422") });
  await delivery.send("a");
  const ids = await test.ids();
  await store.deadLetters.replay(ids);
  await delivery.clock.advance(10_000);
  assert.equal(sink.batches.length, 2);
  const [letter, ...others] = await store.deadLetters.page({}, 0, 10);
  assert.deepEqual(others, []);
  assert.deepEqual([letter?.id, letter?.status, letter?.attempts], [ids[0], "pending", 2]);
});

Deno.test("replays wait while their sink takes nothing, and come however many they are", async () => {
  await using test = await opened();
  const { sink, store, delivery } = test;
  sink.otherwise = (batch) => Promise.resolve(batch.map((_, index) => ({ index, error: rejected() })));
  await delivery.send(...Array.from({ length: 1_000 }, () => "a"));
  await delivery.clock.advance(1);
  sink.otherwise = throwing(retryable());
  await delivery.send("b");
  assert.equal(await store.deadLetters.replay(await test.ids()), 1_000);
  const { batches: { length } } = sink;
  await delivery.clock.advance(10_000);
  assert(sink.batches.slice(length).every((batch) => batch.join() === "b-1001"));
  sink.otherwise = () => Promise.resolve([]);
  await delivery.clock.advance(60_000);
  assert.equal(new Set(sink.takenIds).size, 1_001);
  assert.equal(sink.taken.length, 1_001);
  assert.deepEqual(await test.ids(), []);
  assert.equal(delivery.confirmed.length, 0, "no position has to do with them");
});

Deno.test("a dead letter that is on its way to a sink which is removed stays a dead letter", async () => {
  await using test = await opened();
  const { sink, store, delivery } = test;
  sink.deliveries.push(failing({ "a-1": rejected() }));
  await delivery.send("a", "b");
  sink.otherwise = throwing(retryable());
  await store.deadLetters.replay(await test.ids());
  await delivery.clock.advance(3_000);
  assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 1);
  delivery.dispatcher.become([], 1_000).unroute();
  await delivery.clock.advance(10_000);
  assert.deepEqual(delivery.dispatcher.states(), []);
  assert.equal((await test.ids()).length, 1);
});
