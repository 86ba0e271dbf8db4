import assert from "node:assert/strict";
import type { DeliveryStore } from "../../src/deliver/store/delivery_store.ts";
import { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import { Delivery } from "../support/delivery.ts";
import { failing, rejected, retryable, ScriptedSink, throwing } from "../support/scripted_sink.ts";

Deno.test("a dead letter that somebody wants replayed is delivered with its id, and is gone", async () => {
  const sink = new ScriptedSink();
  await using store = new SqliteStore(":memory:", "one");
  await using delivery = withShelf(sink, store);
  await delivery.start();
  sink.deliveries.push(failing({ "a-1": rejected() }));
  await delivery.send("a", "b");
  assert.deepEqual(sink.takenIds, ["b-2"]);
  assert.equal(await store.deadLetters.replay(await idsOf(store)), 1);
  await delivery.clock.advance(2_000);
  assert.deepEqual(sink.takenIds, ["b-2", "a-1"]);
  assert.equal(sink.taken[1]?.data, '{"n":1}');
  await delivery.clock.advance(2_000);
  assert.deepEqual(await idsOf(store), []);
  assert.deepEqual(sink.takenIds, ["b-2", "a-1"], "once");
});

Deno.test("one that fails again is the same dead letter as before, and waits to be wanted again", async () => {
  const sink = new ScriptedSink();
  await using store = new SqliteStore(":memory:", "one");
  await using delivery = withShelf(sink, store);
  await delivery.start();
  sink.otherwise = failing({ "a-1": rejected("422") });
  await delivery.send("a");
  const ids = await idsOf(store);
  await store.deadLetters.replay(ids);
  await delivery.clock.advance(10_000);
  assert.equal(sink.batches.length, 2);
  const [letter, ...others] = await store.deadLetters.page({}, 0, 10);
  assert.deepEqual(others, []);
  assert.deepEqual([letter?.id, letter?.status, letter?.attempts], [ids[0], "pending", 2]);
});

Deno.test("replays wait while their sink takes nothing, and come however many they are", async () => {
  const sink = new ScriptedSink();
  await using store = new SqliteStore(":memory:", "one");
  await using delivery = withShelf(sink, store);
  await delivery.start();
  sink.otherwise = (batch) => Promise.resolve(batch.map((_, index) => ({ index, error: rejected() })));
  await delivery.send(...Array.from({ length: 1_000 }, () => "a"));
  await delivery.clock.advance(1);
  sink.otherwise = throwing(retryable());
  await delivery.send("b");
  assert.equal(await store.deadLetters.replay(await idsOf(store)), 1_000);
  const { batches: { length } } = sink;
  await delivery.clock.advance(10_000);
  assert(sink.batches.slice(length).every((batch) => batch.join() === "b-1001"));
  sink.otherwise = () => Promise.resolve([]);
  await delivery.clock.advance(60_000);
  assert.equal(new Set(sink.takenIds).size, 1_001);
  assert.equal(sink.taken.length, 1_001);
  assert.deepEqual(await idsOf(store), []);
  assert.equal(delivery.confirmed.length, 0, "no position has to do with them");
});

Deno.test("a dead letter that is on its way to a sink which is removed stays a dead letter", async () => {
  const sink = new ScriptedSink();
  await using store = new SqliteStore(":memory:", "one");
  await using delivery = withShelf(sink, store);
  await delivery.start();
  sink.deliveries.push(failing({ "a-1": rejected() }));
  await delivery.send("a", "b");
  sink.otherwise = throwing(retryable());
  await store.deadLetters.replay(await idsOf(store));
  await delivery.clock.advance(3_000);
  assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 1);
  delivery.dispatcher.become([], 1_000).unroute();
  await delivery.clock.advance(10_000);
  assert.deepEqual(delivery.dispatcher.states(), []);
  assert.equal((await idsOf(store)).length, 1);
});

function withShelf(sink: ScriptedSink, { deadLetters }: DeliveryStore): Delivery {
  return new Delivery([sink], { deadLetters, shelf: deadLetters });
}

async function idsOf({ deadLetters }: DeliveryStore): Promise<number[]> {
  return (await deadLetters.page({}, 0, 10_000)).map(({ id }) => id);
}
