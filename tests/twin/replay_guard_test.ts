import assert from "node:assert/strict";
import type { Transaction } from "../../src/postgres/row_change.ts";
import { ReplayGuard } from "../../src/twin/replay_guard.ts";

function transaction(commitLsn: bigint): Transaction {
  return { xid: Number(commitLsn), commitLsn, commitTime: 0n };
}

/** Offers `count` changes of a transaction, as sent anew, and says which of them pass. */
function offer(guard: ReplayGuard, commitLsn: bigint, count: number): boolean[] {
  const sent = transaction(commitLsn);
  return Array.from({ length: count }, () => guard.admits(sent));
}

Deno.test("ReplayGuard lets every change through once across reconnects", () => {
  const guard = new ReplayGuard();
  assert.deepEqual(offer(guard, 10n, 2), [true, true]);
  assert.deepEqual(offer(guard, 20n, 3), [true, true, true]);
  guard.restart(true);
  assert.deepEqual(offer(guard, 10n, 2), [false, false], "a whole transaction that has passed");
  assert.deepEqual(offer(guard, 20n, 5), [false, false, false, true, true], "the rest of one cut short");
  guard.restart(true);
  assert.deepEqual(offer(guard, 20n, 6), [false, false, false, false, false, true]);
  assert.deepEqual(offer(guard, 30n, 1), [true]);
});

Deno.test("ReplayGuard remembers across a replay that is itself cut short", () => {
  const guard = new ReplayGuard();
  offer(guard, 20n, 3);
  guard.restart(true);
  assert.deepEqual(offer(guard, 20n, 1), [false]);
  guard.restart(true);
  assert.deepEqual(offer(guard, 20n, 4), [false, false, false, true]);
});

Deno.test("ReplayGuard lets everything through again on another timeline", () => {
  const guard = new ReplayGuard();
  offer(guard, 20n, 3);
  guard.restart(false);
  assert.deepEqual(offer(guard, 10n, 1), [true]);
  assert.deepEqual(offer(guard, 20n, 3), [true, true, true]);
});
