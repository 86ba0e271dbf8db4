import assert from "node:assert/strict";
import { OutageWatch } from "../../src/deliver/outage_watch.ts";
import { FakeClock } from "../support/fake_clock.ts";

const PATIENCE = 30_000;

/** A worker that says what a test has it say, its watch, and when that told. */
function watched() {
  const clock = new FakeClock();
  const worker = {
    failingSince: undefined as number | undefined,
    settledEver: 0,
    hasRoom: true,
    isIdle: false,
  };
  const told: number[] = [];
  const began = clock.steady();
  const watch = new OutageWatch(worker, clock, () => told.push(clock.steady() - began));
  return { clock, worker, watch, told, began };
}

Deno.test("a sink that fails, and whose queue has room, is given all the time that there is", async () => {
  const { clock, worker, watch, told, began } = watched();
  worker.failingSince = began;
  watch.look(PATIENCE);
  await clock.advance(60_000);
  assert.deepEqual(told, [PATIENCE]);
});

Deno.test("a sink that fails holds others up by its full queue for 2 s and no longer", async () => {
  const { clock, worker, watch, told, began } = watched();
  worker.failingSince = began;
  watch.look(PATIENCE);
  await clock.advance(500);
  worker.hasRoom = false;
  watch.lookAtRoom(PATIENCE);
  await clock.advance(1_499);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told, [2_000]);
});

Deno.test("when the queue of a sink that has failed for longer is full, others do not wait at all", async () => {
  const { clock, worker, watch, told, began } = watched();
  worker.failingSince = began;
  watch.look(PATIENCE);
  await clock.advance(5_000);
  worker.hasRoom = false;
  watch.lookAtRoom(PATIENCE);
  await clock.advance(0);
  assert.deepEqual(told, [5_000]);
});

Deno.test("a sink whose queue has room again in time is given all the time again", async () => {
  const { clock, worker, watch, told, began } = watched();
  worker.failingSince = began;
  worker.hasRoom = false;
  watch.lookAtRoom(PATIENCE);
  await clock.advance(1_000);
  worker.hasRoom = true;
  await clock.advance(60_000);
  assert.deepEqual(told, [PATIENCE]);
});

Deno.test("a sink that says nothing holds others up for 5 s, one that takes something for as long as it does", async () => {
  const { clock, worker, watch, told } = watched();
  worker.hasRoom = false;
  watch.lookAtRoom(PATIENCE);
  await clock.advance(4_000);
  worker.settledEver++;
  await clock.advance(5_999);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told, [10_000]);
});

Deno.test("less patience than that counts", async () => {
  const { clock, worker, watch, told, began } = watched();
  worker.failingSince = began;
  worker.hasRoom = false;
  watch.lookAtRoom(300);
  await clock.advance(60_000);
  assert.equal(told[0], 300);
});
