import assert from "node:assert/strict";
import type { DeadLetter } from "../../src/deliver/dead_letter.ts";
import { DeadLetterQueue } from "../../src/deliver/dead_letter_queue.ts";
import { DeadLetterRecords, LogRecords } from "../support/delivery.ts";
import { FakeClock, turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";

Deno.test("writes what comes while it writes together, in order, one write at a time", async () => {
  const { store, queue, written } = setUp();
  let writes = 0;
  let underWay = 0;
  const gate = Promise.withResolvers<void>();
  const { write } = store;
  store.gate = gate.promise;
  store.write = async function (letters) {
    writes++;
    assert.equal(++underWay, 1);
    await write.call(this, letters);
    underWay--;
  };
  for (let n = 1; n <= 5; n++) queue.add(letter(n), written(n));
  gate.resolve();
  await turn();
  assert.equal(writes, 2);
  assert.deepEqual(store.ids, ["a-1", "a-2", "a-3", "a-4", "a-5"]);
  assert.deepEqual(written.ns, [1, 2, 3, 4, 5]);
});

Deno.test("tries again for ever, with backoff, and tells it once", async () => {
  const { store, queue, written, clock, log } = setUp();
  store.broken = new Error("No space left on device");
  queue.add(letter(1), written(1));
  const since = clock.now();
  await clock.advance(3_600_000);
  assert.deepEqual(written.ns, []);
  assert.deepEqual(log.levels, ["warn", "error"]);
  assert.deepEqual(queue.state, {
    state: "failing",
    since,
    lastError: "No space left on device",
    waiting: 1,
  });
  store.broken = undefined;
  await clock.advance(30_000);
  assert.deepEqual(written.ns, [1]);
  assert.deepEqual(log.levels, ["warn", "error", "info"]);
  assert.equal(queue.state.state, "ready");
  assert.equal(queue.state.lastError, undefined);
  assert.equal(clock.timers, 0);
});

Deno.test("a flood of dead letters is one word a minute in the log, with its count", async () => {
  const { queue, written, clock, log } = setUp();
  for (let n = 1; n <= 100; n++) queue.add(letter(n), written(n));
  await clock.advance(60_000);
  queue.add(letter(101), written(101));
  await turn();
  assert.deepEqual(log.records.map(({ fields }) => [fields.id, fields.deadLetters]), [["a-1", 1], [
    "a-101",
    100,
  ]]);
});

Deno.test("what waits when it is closed is not written", async () => {
  const { store, queue, written, clock } = setUp();
  store.broken = new Error("No space left on device");
  queue.add(letter(1), written(1));
  await turn();
  await queue.close();
  store.broken = undefined;
  queue.add(letter(2), written(2));
  await clock.advance(3_600_000);
  assert.deepEqual(store.ids, []);
  assert.equal(clock.timers, 0);
});

function setUp() {
  const store = new DeadLetterRecords();
  const clock = new FakeClock();
  const log = new LogRecords();
  const queue = new DeadLetterQueue(store, {
    clock,
    log,
    random: () => 0.99,
    stored: () => {},
    changed: () => {},
  });
  const ns: number[] = [];
  const written = Object.assign((n: number) => () => void ns.push(n), { ns });
  return { store, clock, log, queue, written };
}

function letter(n: number): DeadLetter {
  const { event } = routerEvent("a", n);
  const time = Date.UTC(2026, 0, 1);
  return {
    sink: "Hook",
    route: "r",
    reason: "400",
    kind: "rejected",
    attempts: 1,
    firstTime: time,
    lastTime: time,
    event,
  };
}
