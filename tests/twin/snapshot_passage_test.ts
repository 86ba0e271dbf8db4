import assert from "node:assert/strict";
import { ReceivedTransactions } from "../../src/twin/received_transactions.ts";
import { SnapshotPassage } from "../../src/twin/snapshot_passage.ts";
import { SnapshotRun } from "../../src/twin/snapshot_run.ts";
import { SnapshotWindow } from "../../src/twin/snapshot_window.ts";
import type { SnapshotMark } from "../../src/twin/twin_change.ts";

const cursor = { graph: "digitaltwins", label: "Twin", lastId: "20" };

/** A chunk of one row, which is about to pass. */
function enter(passage: SnapshotPassage) {
  const run = new SnapshotRun({ id: "s", rows: 0 });
  const range = { graph: "digitaltwins", label: "Twin", upTo: "20", count: 1 };
  const window = new SnapshotWindow(range, "vertex", new ReceivedTransactions());
  const outcomes: string[] = [];
  void passage.enter(run, window).then((outcome) => outcomes.push(outcome));
  window.chunk = { rows: [{ id: "11", properties: '{"$dtId": "a"}' }], upTo: "20", visibility: "8:8:" };
  run.next = cursor;
  const mark = (kind: "low" | "high", commitLsn: bigint, chunk = window.id): SnapshotMark => ({
    kind: "snapshot",
    message: { kind, slot: "age_slot", chunk },
    transaction: { xid: 9, commitLsn, commitTime: 0n },
    position: { commitLsn, ordinal: 0 },
  });
  return { run, outcomes, mark };
}

Deno.test("a chunk is told at its high watermark, and through when the sinks' queues have it", async () => {
  const passage = new SnapshotPassage();
  const { run, outcomes, mark } = enter(passage);
  assert.deepEqual(passage.reach(mark("low", 100n)), []);
  assert.deepEqual(passage.reach(mark("high", 150n, "another")), []);
  assert.equal(passage.reach(mark("high", 200n)).length, 1);
  passage.letThrough();
  assert.deepEqual(await Promise.resolve(outcomes), []);
  passage.settle(201n);
  passage.letThrough();
  assert.deepEqual(await Promise.resolve(outcomes), ["told"]);
  run.confirmed(200n);
  assert.equal(run.isUnsaved, false);
  run.confirmed(201n);
  assert.deepEqual(run.takeUnsaved(), { cursor, rows: 1, isLast: false });
});

Deno.test("a chunk whose transaction was cut off is told up to its own end, not that of what comes again", () => {
  const passage = new SnapshotPassage();
  const { run, mark } = enter(passage);
  passage.reach(mark("low", 100n));
  passage.reach(mark("high", 200n));
  passage.interrupt(); // the connection is lost, and the server begins with what it knows to be confirmed
  passage.settle(91n);
  run.confirmed(101n);
  assert.equal(run.isUnsaved, false);
  passage.settle(201n);
  run.confirmed(201n);
  assert.equal(run.isUnsaved, true);
});

Deno.test("a chunk that is interrupted before its high watermark is early", async () => {
  const passage = new SnapshotPassage();
  const { outcomes, mark } = enter(passage);
  passage.reach(mark("low", 100n));
  passage.interrupt();
  assert.deepEqual(passage.reach(mark("high", 200n)), []);
  assert.deepEqual(await Promise.resolve(outcomes), ["early"]);
});
