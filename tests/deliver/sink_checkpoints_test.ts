import assert from "node:assert/strict";
import type { SinkCheckpoint } from "../../src/deliver/store/checkpoints.ts";
import { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import { BEGINNING, Delivery } from "../support/delivery.ts";
import { routerEvent } from "../support/router_events.ts";
import { failing, rejected, retryable, ScriptedSink, take, throwing } from "../support/scripted_sink.ts";

const TO_BOTH = [{ sink: 0, route: "r" }, { sink: 1, route: "r" }];

/** Events of transactions, as the stream tells them: by commit LSN and ordinal, for one key each. */
const STREAM = [[10, 1, "a"], [10, 3, "a"], [10, 4, "b"], [10, 2, "c"], [20, 1, "a"], [20, 2, "b"]] as const;

async function started(
  store: SqliteStore,
  sinks: ScriptedSink[],
  changed = {},
  routes = "digest",
): Promise<Delivery> {
  const { outbox, checkpoints } = store;
  const delivery = new Delivery(sinks, { outbox, checkpoints });
  delivery.dispatcher.routedBy(routes);
  await delivery.dispatcher.resume({ ...BEGINNING, ...changed });
  await delivery.start();
  return delivery;
}

async function send(
  delivery: Delivery,
  events: readonly (readonly [number, number, string])[],
): Promise<void> {
  for (const [lsn, ordinal, key] of events) {
    const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
    const event = routerEvent(key, 0, {
      id: `${key}-${lsn}.${ordinal}`,
      sequence: `${hex(lsn, 16)}-${hex(ordinal, 8)}-0000`,
    });
    const position = { commitLsn: BigInt(lsn), ordinal };
    delivery.dispatcher.enqueue({ ...event, position }, TO_BOTH);
  }
  await delivery.clock.advance(1);
}

/** What two sinks get of the stream after a restart; before it, only the first took what was told. */
async function repeated(
  told: number,
  changed = {},
  routes = "digest",
): Promise<readonly [string[], string[]]> {
  await using store = new SqliteStore(":memory:", "one");
  const [well, down] = [new ScriptedSink(), new ScriptedSink()];
  down.otherwise = throwing(retryable());
  {
    await using delivery = await started(store, [well, down]);
    await send(delivery, STREAM.slice(0, told));
    await delivery.clock.advance(1_000);
  }
  const [again, other] = [new ScriptedSink(), new ScriptedSink()];
  await using delivery = await started(store, [again, other], changed, routes);
  await send(delivery, STREAM);
  return [again.takenIds, other.takenIds];
}

const ALL = ["a-10.1", "a-10.3", "b-10.4", "c-10.2", "a-20.1", "b-20.2"];

Deno.test("a restart repeats nothing that a sink had settled, even inside a transaction and out of its order", async () => {
  for (let told = 0; told <= STREAM.length; told++) {
    assert.deepEqual(await repeated(told), [ALL.slice(told), ALL], `after ${told}`);
  }
});

Deno.test("where routes have changed, the transaction that was under way is repeated from its beginning", async () => {
  assert.deepEqual((await repeated(3, {}, "other"))[0], ALL);
  assert.deepEqual((await repeated(5, {}, "other"))[0], ALL.slice(4));
});

Deno.test("on a later timeline what lies beyond the end of its own has not happened", async () => {
  const on = (end: bigint) => ({ timeline: 3, ancestors: [{ timeline: 1, end }, { timeline: 2, end: 99n }] });
  assert.deepEqual((await repeated(6, on(21n)))[0], []);
  assert.deepEqual((await repeated(6, on(20n)))[0], ALL.slice(4));
  assert.deepEqual((await repeated(6, on(10n)))[0], ALL);
});

Deno.test("of another database or history, or beyond what the server has written, a checkpoint means nothing", async () => {
  assert.deepEqual((await repeated(6, { systemIdentifier: "8" }))[0], ALL);
  assert.deepEqual((await repeated(6, { timeline: 2 }))[0], ALL);
  assert.deepEqual((await repeated(6, { walEnd: 20n }))[0], ALL);
});

Deno.test("what could not be kept is tried again, and what moved meanwhile is kept, though nothing more happens", async () => {
  const saved: string[][] = [];
  const slow = Promise.withResolvers<void>();
  const tries = [() => Promise.reject(new Error("disk full")), () => slow.promise];
  const checkpoints = {
    async save(checkpoints: readonly SinkCheckpoint[]) {
      await tries.shift()?.();
      saved.push(checkpoints.map(({ last }) => last));
    },
    load: () => Promise.resolve({ checkpoints: [] }),
  };
  await using delivery = new Delivery([new ScriptedSink(), new ScriptedSink()], { checkpoints });
  await delivery.dispatcher.resume(BEGINNING);
  await delivery.start();
  await send(delivery, STREAM.slice(0, 1));
  await delivery.clock.advance(1_000);
  assert.equal(tries.length, 1);
  await delivery.clock.advance(30_000);
  assert.equal(tries.length, 0);
  await send(delivery, STREAM.slice(1, 2));
  await delivery.clock.advance(40_000);
  slow.resolve();
  await delivery.clock.advance(40_000);
  assert.deepEqual(saved, [[" a-10.1", " a-10.1"], [" a-10.3", " a-10.3"]]);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("only what comes before the first event that is not settled counts", async () => {
  await using store = new SqliteStore(":memory:", "one");
  const [first, second] = [new ScriptedSink(), new ScriptedSink()];
  first.otherwise = failing({ "a-10.3": retryable() });
  second.otherwise = failing({ "a-10.1": rejected() });
  {
    await using delivery = await started(store, [first, second]);
    await send(delivery, STREAM);
    await delivery.clock.advance(1_000);
  }
  const [again, other] = [new ScriptedSink(), new ScriptedSink()];
  await using delivery = await started(store, [again, other]);
  await send(delivery, STREAM);
  assert.deepEqual(again.takenIds, ALL.slice(1));
  assert.deepEqual(other.takenIds, [], "a dead letter is settled");
});

Deno.test("what is parked is settled", async () => {
  await using store = new SqliteStore(":memory:", "one");
  const parking = { parkAfter: 30_000, maxParkedBytes: 1e6, maxParkedAge: 1e9, whenFull: "block" as const };
  const run = async (otherwise: ScriptedSink["otherwise"]) => {
    const sinks = [new ScriptedSink(), new ScriptedSink()];
    for (const sink of sinks) sink.otherwise = otherwise;
    const { outbox, checkpoints } = store;
    await using delivery = new Delivery(sinks.map((sink) => ({ sink, parking })), { outbox, checkpoints });
    await delivery.dispatcher.resume(BEGINNING);
    await delivery.start();
    await send(delivery, STREAM);
    await delivery.clock.advance(31_001);
    return sinks.map(({ takenIds }) => takenIds);
  };
  assert.deepEqual(await run(throwing(retryable())), [[], []]);
  assert.deepEqual(await run(take), [ALL, ALL], "each from the outbox, and once");
});
