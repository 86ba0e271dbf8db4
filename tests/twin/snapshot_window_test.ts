import assert from "node:assert/strict";
import { MOST_NODES } from "../../src/twin/json_index.ts";
import { JsonText } from "../../src/twin/json_text.ts";
import { ReceivedTransactions } from "../../src/twin/received_transactions.ts";
import { SnapshotWindow } from "../../src/twin/snapshot_window.ts";
import type { SnapshotMark, TwinChange } from "../../src/twin/twin_change.ts";

const snapshot = { id: "s" };
const range = { graph: "digitaltwins", label: "Twin", after: "10", upTo: "20", count: 10 };

function mark(commitLsn = 100n): SnapshotMark {
  const transaction = { xid: 9, commitLsn, commitTime: 0n };
  const message = { kind: "high", slot: "age_slot", chunk: "c" } as const;
  return { kind: "snapshot", message, transaction, position: { commitLsn, ordinal: 0 } };
}

function twin(id: string, n: number): string {
  return `{"$dtId": "${id}", "n": ${n}}`;
}

function changed(
  rowId: string,
  id: string,
  action: "create" | "update" | "delete",
  n: number,
  place: { graph?: string; label?: string; xid?: number } = {},
): TwinChange {
  const { graph = "digitaltwins", label = "Twin", xid = 5 } = place;
  const body = JsonText.parse(twin(id, n));
  return {
    kind: "change",
    entity: "twin",
    id,
    ...(action === "delete" ? { action, before: body } : { action, after: body }),
    transaction: { xid, commitLsn: 50n, commitTime: 0n },
    position: { commitLsn: 50n, ordinal: 0 },
    part: 0,
    graph,
    label,
    rowId,
  };
}

/** The window of a chunk with these rows, after what came between its watermarks. */
function through(
  rows: Readonly<Record<string, string>>,
  between: readonly TwinChange[],
  received = new ReceivedTransactions(),
): string[] | undefined {
  const window = new SnapshotWindow(range, "vertex", received);
  window.open();
  for (const change of between) window.follow(change);
  const read = Object.entries(rows).map(([id, properties]) => ({ id, properties }));
  window.chunk = { rows: read, visibility: "8:8:", upTo: "20" };
  return window.close(mark(), snapshot)?.map((change) =>
    `${change.id} ${change.action === "create" && change.after} @${change.position.ordinal}`
  );
}

Deno.test("rows of a chunk are creates at the high watermark, each with a place of its own", () => {
  assert.deepEqual(through({ 11: twin("a", 1), 12: twin("b", 2) }, []), [
    `a ${twin("a", 1)} @1`,
    `b ${twin("b", 2)} @2`,
  ]);
});

Deno.test("what changed between the watermarks is told as it is now, and not at all if it is gone", () => {
  const rows = { 11: twin("a", 1), 12: twin("b", 1), 13: twin("c", 1) };
  const between = [
    changed("11", "a", "update", 2),
    changed("11", "a", "update", 3),
    changed("12", "b", "delete", 1),
    changed("13", "c", "delete", 1),
    changed("13", "d", "create", 1),
  ];
  assert.deepEqual(through(rows, between), [`a ${twin("a", 3)} @1`, `d ${twin("d", 1)} @2`]);
});

Deno.test("rows of other ranges, labels and graphs have nothing to do with it", () => {
  const between = [
    changed("10", "x", "create", 1),
    changed("21", "x", "create", 1),
    changed("11", "a", "update", 2, { label: "Room" }),
    changed("11", "a", "update", 2, { graph: "other" }),
  ];
  assert.deepEqual(through({ 11: twin("a", 1) }, between), [`a ${twin("a", 1)} @1`]);
});

Deno.test("of a truncated label only what was made since is there", () => {
  const window = new SnapshotWindow(range, "vertex", new ReceivedTransactions());
  window.open();
  window.follow(changed("12", "b", "update", 7));
  const { transaction, position } = changed("11", "a", "update", 1);
  window.follow({
    kind: "gap",
    reason: "truncate",
    transaction,
    position,
    part: 0,
    graph: "digitaltwins",
    label: "Twin",
  });
  window.follow(changed("13", "c", "create", 1));
  const rows = ["11", "12", "13"].map((id) => ({ id, properties: twin("x", 0) }));
  window.chunk = { rows, visibility: "8:8:", upTo: "20" };
  assert.deepEqual(window.close(mark(), snapshot)?.map(({ id }) => id), ["c"]);
});

Deno.test("rows that are nobody, or cannot be read, are left out", () => {
  assert.deepEqual(through({ 11: '{"name": "x"}', 12: "[1]", 13: "{", 14: twin("a", 1) }, []), [
    `a ${twin("a", 1)} @1`,
  ]);
});

Deno.test("rows that cannot be read are named, unless the stream has told more of them", () => {
  const window = new SnapshotWindow(range, "vertex", new ReceivedTransactions());
  window.open();
  window.follow(changed("14", "a", "update", 2));
  const many = `{"$dtId": "x", "list": [${"1,".repeat(MOST_NODES)}1]}`;
  const rows = { 11: '{"name": "x"}', 12: "[1]", 13: many, 14: "{" };
  window.chunk = {
    rows: Object.entries(rows).map(([id, properties]) => ({ id, properties })),
    visibility: "8:8:",
    upTo: "20",
  };
  assert.deepEqual(window.close(mark(), snapshot)?.map(({ rowId }) => rowId), ["14"]);
  assert.deepEqual(window.unreadable, ["12", "13"]);
});

Deno.test("a chunk that may lack what was told before its low watermark is not told", () => {
  const received = new ReceivedTransactions();
  received.add(8);
  assert.equal(through({ 11: twin("a", 1) }, [], received), undefined);
});

Deno.test("a window that was never opened tells nothing", () => {
  const window = new SnapshotWindow(range, "vertex", new ReceivedTransactions());
  window.chunk = {
    rows: [{ id: "11", properties: twin("a", 1) }],
    upTo: "20",
    visibility: "8:8:",
  };
  assert.equal(window.close(mark(), snapshot), undefined);
});

Deno.test("a label's first row may have a graphid below zero, as the labels from the 32,768th on have", () => {
  const window = new SnapshotWindow(
    { graph: "digitaltwins", label: "Twin", upTo: "-10", count: 10 },
    "vertex",
    new ReceivedTransactions(),
  );
  window.open();
  window.follow(changed("-20", "a", "update", 2));
  window.chunk = { rows: [{ id: "-20", properties: twin("a", 1) }], upTo: "-10", visibility: "8:8:" };
  assert.equal(
    `${window.close(mark(), snapshot)?.map((change) => "after" in change && change.after)}`,
    twin("a", 2),
  );
});

Deno.test("a chunk of which too many rows have changed is not told", () => {
  const window = new SnapshotWindow({ ...range, upTo: "10000" }, "vertex", new ReceivedTransactions());
  window.open();
  for (let id = 11; id < 5_000; id++) window.follow(changed(`${id}`, "a", "create", 1));
  window.chunk = { rows: [{ id: "11", properties: twin("a", 1) }], upTo: "20", visibility: "8:8:" };
  assert.equal(window.close(mark(), snapshot), undefined);
});
