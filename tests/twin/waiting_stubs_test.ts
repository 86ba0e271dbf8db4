import assert from "node:assert/strict";
import {
  contains,
  deleted,
  inserted,
  Model,
  type Step,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const stub = (id: string) => ({ $dtId: id });
const full = (id: string) => ({ $dtId: id, n: 1 });

/** `create late-1 @3` for each change of a transaction. */
async function changesOf(...steps: readonly Step[]): Promise<readonly string[]> {
  const { items } = await twinOutcome(transaction(steps));
  return items.flatMap((item) =>
    item.kind === "change" ? [`${item.action} ${item.id} @${item.position.ordinal}`] : []
  );
}

Deno.test("a stub waits for its row's next change", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      inserted(Twin, 2, stub("b")),
      inserted(Model, 3, { id: "dtmi:m;1" }),
      inserted(contains, 4, { $relationshipId: "r" }),
      updated(Twin, 1, stub("a"), full("a")),
      updated(Twin, 2, stub("b"), full("b")),
      updated(Model, 3, { id: "dtmi:m;1" }, { id: "dtmi:m;1", model: {} }),
      updated(contains, 4, { $relationshipId: "r" }, { $relationshipId: "r", $sourceId: "a" }),
    ),
    ["create a @4", "create b @5", "create dtmi:m;1 @6", "create r @7"],
  );
});

Deno.test("a stub that nothing follows goes out at the commit, as it is", async () => {
  assert.deepEqual(await changesOf(inserted(Twin, 1, stub("a")), inserted(Twin, 2, full("b"))), [
    "create b @1",
    "create a @0",
  ]);
});

Deno.test("a stub that is deleted was nothing", async () => {
  assert.deepEqual(
    await changesOf(inserted(Twin, 1, stub("a")), inserted(Twin, 2, full("b")), deleted(Twin, 1, stub("a"))),
    ["create b @1"],
  );
  assert.deepEqual(
    await changesOf(inserted(Twin, 1, stub("a")), inserted(Twin, 2, full("b")), deleted(Twin, 1, "unsent")),
    ["create b @1"],
  );
});

Deno.test("a stub's next change may be joined by those adjacent to it", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      inserted(Twin, 2, full("b")),
      updated(Twin, 1, stub("a"), full("a")),
      updated(Twin, 1, full("a"), { ...full("a"), n: 2 }),
    ),
    ["create b @1", "create a @3"],
  );
});

Deno.test("only an insert that says nothing else is a stub", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, { $dtId: "a", $etag: "x" }),
      inserted(Model, 2, { $dtId: "b" }),
      inserted(contains, 3, { $relationshipId: "r", $sourceId: "s" }),
      updated(Twin, 4, { $dtId: "c", n: 1 }, stub("c")),
      inserted(Twin, 5, full("z")),
    ),
    ["create a @0", "create r @2", "update c @3", "create z @4", "create b @1"],
  );
});

Deno.test("a stub goes out before another change of its partition key", async () => {
  const rel = { $relationshipId: "r", $sourceId: "a", rate: 1 };
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      inserted(Twin, 2, stub("b")),
      inserted(contains, 3, rel),
      updated(Twin, 1, stub("a"), full("a")),
      updated(Twin, 2, stub("b"), full("b")),
    ),
    ["create a @0", "create r @2", "update a @3", "create b @4"],
  );
});

Deno.test("a stub goes out before a change that leaves its partition key, or comes to it", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      updated(Twin, 2, full("a"), full("b")),
      inserted(Twin, 3, full("c")),
    ),
    ["create a @0", "delete a @1", "create b @1", "create c @2"],
  );
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      updated(Twin, 2, full("b"), full("a")),
      inserted(Twin, 3, full("c")),
    ),
    ["create a @0", "delete b @1", "create a @1", "create c @2"],
  );
});

Deno.test("a second stub of the same name lets the first go", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      inserted(Twin, 2, stub("a")),
      updated(Twin, 2, stub("a"), full("a")),
    ),
    ["create a @0", "create a @2"],
  );
});

Deno.test("a stub that waits no longer stands for its partition key no longer", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(Twin, 1, stub("a")),
      inserted(Twin, 2, full("x")),
      updated(Twin, 1, stub("a"), full("a")),
      deleted(Twin, 1, full("a")),
      inserted(Twin, 1, stub("b")),
      inserted(Twin, 3, full("a")),
      updated(Twin, 1, stub("b"), full("b")),
    ),
    ["create x @1", "create a @5", "create b @6"],
  );
});

Deno.test("a stub goes out before a relationship whose source becomes known", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(contains, 1, { $relationshipId: "r" }),
      inserted(Twin, 2, stub("a")),
      updated(contains, 1, { $relationshipId: "r" }, { $relationshipId: "r", $sourceId: "a" }),
      updated(Twin, 2, stub("a"), full("a")),
    ),
    ["create a @1", "create r @2", "update a @3"],
  );
});

Deno.test("a relationship's stub of unknown source stands in nobody's way", async () => {
  assert.deepEqual(
    await changesOf(
      inserted(contains, 1, { $relationshipId: "r" }),
      inserted(contains, 2, { $relationshipId: "r" }),
      inserted(Twin, 3, full("a")),
      updated(contains, 2, "unsent", { $relationshipId: "r", $sourceId: "b", n: 1 }),
      updated(contains, 1, "unsent", { $relationshipId: "r", $sourceId: "a", n: 1 }),
    ),
    ["create a @2", "create r @3", "create r @4"],
  );
});

Deno.test("ten thousand stubs wait; one more, and the oldest goes out as it is", async () => {
  const ids = Array.from({ length: 10_001 }, (_, index) => index);
  const inserts = ids.map((id) => inserted(Twin, id, stub(`t${id}`)));
  const updates = ids.map((id) => updated(Twin, id, stub(`t${id}`), full(`t${id}`)));
  const all = await changesOf(...inserts.slice(0, 10_000), ...updates.slice(0, 10_000));
  assert.equal(all.length, 10_000);
  assert.equal(all[0], "create t0 @10000");

  const more = await changesOf(...inserts, inserted(Twin, 20_000, full("last")), ...updates);
  assert.equal(more.length, 10_003);
  assert.deepEqual(more.slice(0, 4), [
    "create t0 @0",
    "create last @10001",
    "update t0 @10002",
    "create t1 @10003",
  ]);
});

Deno.test("a relationship's stub that had to go without a source is created when it gets one", async () => {
  const ids = Array.from({ length: 10_001 }, (_, index) => index);
  const inserts = ids.map((id) => inserted(contains, id, { $relationshipId: `r${id}` }));
  const [line] = await changesOf(
    ...inserts,
    inserted(Twin, 1, full("a")),
    updated(contains, 0, { $relationshipId: "r0" }, { $relationshipId: "r0", $sourceId: "a" }),
  ).then((lines) => lines.filter((line) => line.includes("r0")));
  assert.equal(line, "create r0 @10002");
});
