import assert from "node:assert/strict";
import { TwinChanges } from "../../src/twin/twin_changes.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import {
  agLabel,
  contains,
  deleted,
  edgeColumns,
  hasComponent,
  inserted,
  message,
  Model,
  orders,
  type Step,
  table,
  transaction,
  truncated,
  Twin,
  updated,
  vertexColumns,
} from "../support/replicated_builder.ts";
import type { Tuple } from "../../src/postgres/wal_message.ts";
import { MOST_NODES } from "../../src/twin/json_index.ts";
import { LARGEST_BODY } from "../../src/twin/json_text.ts";
import { twinOutcome } from "../support/twin_items.ts";

const room = (T: number) => ({ $dtId: "room", T });
const link = (rate: number) => ({ $relationshipId: "r", $sourceId: "room", $targetId: "x", rate });

/** Lines for one transaction, without the `settle` at its end. */
async function linesOf(...steps: readonly Step[]): Promise<readonly string[]> {
  const { lines } = await twinOutcome(transaction(steps));
  assert.equal(lines.at(-1), "settle");
  return lines.slice(0, -1);
}

Deno.test("rows of twins, models and relationships are told by their properties", async () => {
  assert.deepEqual(
    await linesOf(
      inserted(Twin, 1, { $dtId: "room", T: 1 }),
      inserted(Model, 2, { id: "dtmi:example:Room;1", model: {} }),
      inserted(contains, 3, link(1)),
      inserted(Model, 4, { $dtId: "stray", id: "dtmi:example:Room;1" }),
      inserted(Twin, 5, { id: "dtmi:example:Room;1", $dtId: "named" }),
    ),
    [
      'create twin room @0 {"$dtId":"room","T":1}',
      'create model dtmi:example:Room;1 @1 {"id":"dtmi:example:Room;1","model":{}}',
      'create relationship room/r @2 {"$relationshipId":"r","$sourceId":"room","$targetId":"x","rate":1}',
      'create twin stray @3 {"$dtId":"stray","id":"dtmi:example:Room;1"}',
      'create twin named @4 {"id":"dtmi:example:Room;1","$dtId":"named"}',
    ],
  );
});

Deno.test("a change says where it stands and what it is part of", async () => {
  const stream = transaction([inserted(orders, 1, null), inserted(Twin, 1, room(1))]);
  const { items } = await twinOutcome(stream);
  const [change, settle] = items;
  assert(change?.kind === "change" && stream[0]?.kind === "begin");
  assert.equal(change.transaction, stream[0].transaction);
  assert.deepEqual(change.position, { commitLsn: 0x1_0000_0000n, ordinal: 1 });
  assert.equal(change.graph, "digitaltwins");
  assert.equal(change.label, "Twin");
  assert.equal(change.part, 0);
  assert.equal("traceparent" in change, false);
  assert.deepEqual(settle, { kind: "settle", lsn: 0x1_0000_0030n });
});

Deno.test("anything else is ignored and counted by reason, silently", async () => {
  const elsewhere = table("otherGraph", "Twin", vertexColumns);
  const { lines, ignored, log } = await twinOutcome(
    transaction([
      inserted(orders, 1, null),
      inserted(agLabel, 2, null),
      inserted(elsewhere, 3, room(1)),
      inserted(Twin, 4, { name: "no twin" }),
      inserted(Twin, 5, { $dtId: 5 }),
      inserted(Twin, 6, { $dtId: "" }),
      inserted(Twin, 7, { id: "dtmi:example:Room;1" }),
      inserted(hasComponent, 8, {}),
      deleted(hasComponent, 8, {}),
      updated(orders, 1, null, null),
      deleted(orders, 1, null),
      truncated(orders),
    ]),
    { graphs: ["digitaltwins"] },
  );
  assert.deepEqual(lines, ["settle"]);
  assert.deepEqual(ignored, { other_table: 4, catalog: 1, other_graph: 1, nobody: 6 });
  assert.deepEqual(log, []);
});

Deno.test("the metrics count changes by entity and action", async () => {
  const metrics = new Metrics();
  const changes = new TwinChanges({ metrics });
  const steps = [
    inserted(Twin, 1, room(1)),
    updated(Twin, 2, room(1), room(2)),
    deleted(contains, 3, link(1)),
  ];
  for (const item of transaction(steps)) changes.push(item, []);
  const { values } = await metrics.changes.get();
  assert.deepEqual(values.map(({ labels, value }) => `${labels.entity} ${labels.action} ${value}`), [
    "twin create 1",
    "twin update 1",
    "relationship delete 1",
  ]);
});

Deno.test("adjacent changes of a row are one change, at the last one's position", async () => {
  assert.deepEqual(await linesOf(inserted(Twin, 1, room(1)), updated(Twin, 1, room(1), room(2))), [
    'create twin room @1 {"$dtId":"room","T":2}',
  ]);
  assert.deepEqual(
    await linesOf(
      updated(Twin, 1, room(1), room(2)),
      updated(Twin, 1, room(2), room(3)),
      updated(Twin, 1, room(3), room(4)),
    ),
    ['update twin room @2 {"$dtId":"room","T":1} → {"$dtId":"room","T":4}'],
  );
  assert.deepEqual(await linesOf(inserted(Twin, 1, room(1)), deleted(Twin, 1, room(1))), []);
  assert.deepEqual(
    await linesOf(inserted(Twin, 1, room(1)), updated(Twin, 1, room(1), room(2)), deleted(Twin, 1, room(2))),
    [],
  );
  assert.deepEqual(await linesOf(updated(Twin, 1, room(1), room(2)), deleted(Twin, 1, room(2))), [
    'delete twin room @1 {"$dtId":"room","T":1}',
  ]);
});

Deno.test("a row that is deleted and inserted again is two changes", async () => {
  assert.deepEqual(
    await linesOf(deleted(Twin, 1, room(1)), inserted(Twin, 1, room(2)), updated(Twin, 1, room(2), room(3))),
    ['delete twin room @0 {"$dtId":"room","T":1}', 'create twin room @2 {"$dtId":"room","T":3}'],
  );
});

Deno.test("nothing joins a delete", async () => {
  assert.deepEqual(await linesOf(deleted(Twin, 1, room(1)), updated(Twin, 1, room(2), room(3))), [
    'delete twin room @0 {"$dtId":"room","T":1}',
    'update twin room @1 {"$dtId":"room","T":2} → {"$dtId":"room","T":3}',
  ]);
});

Deno.test("changes that are not adjacent, or not of one row, stay apart", async () => {
  assert.deepEqual(
    await linesOf(
      updated(Twin, 1, room(1), room(2)),
      updated(Twin, 2, { $dtId: "hall", T: 1 }, { $dtId: "hall", T: 2 }),
      updated(Twin, 1, room(2), room(3)),
    ),
    [
      'update twin room @0 {"$dtId":"room","T":1} → {"$dtId":"room","T":2}',
      'update twin hall @1 {"$dtId":"hall","T":1} → {"$dtId":"hall","T":2}',
      'update twin room @2 {"$dtId":"room","T":2} → {"$dtId":"room","T":3}',
    ],
  );
  const twinToo = table("digitaltwins", "Machine", vertexColumns);
  assert.deepEqual(await linesOf(inserted(Twin, 1, room(1)), updated(twinToo, 1, room(1), room(2))), [
    'create twin room @0 {"$dtId":"room","T":1}',
    'update twin room @1 {"$dtId":"room","T":1} → {"$dtId":"room","T":2}',
  ]);
});

Deno.test("changes of one row in two transactions stay apart", async () => {
  const { lines } = await twinOutcome([
    ...transaction([updated(Twin, 1, room(1), room(2))]),
    ...transaction([updated(Twin, 1, room(2), room(3))]),
  ]);
  assert.deepEqual(lines, [
    'update twin room @0 {"$dtId":"room","T":1} → {"$dtId":"room","T":2}',
    "settle",
    'update twin room @0 {"$dtId":"room","T":2} → {"$dtId":"room","T":3}',
    "settle",
  ]);
});

Deno.test("ignored rows and messages do not part a run", async () => {
  assert.deepEqual(
    await linesOf(
      inserted(Twin, 1, room(1)),
      inserted(agLabel, 2, null),
      inserted(hasComponent, 3, {}),
      inserted(orders, 4, null),
      deleted(hasComponent, 5, "unsent"),
      inserted(Twin, 6, "not agtype"),
      message("digitaltwins_telemetry", "{}"),
      message("somebody_else", "{}"),
      truncated(orders),
      updated(Twin, 1, room(1), room(2)),
    ),
    ['create twin room @9 {"$dtId":"room","T":2}'],
  );
});

Deno.test("a table described anew in the middle of a run does not part it", async () => {
  const again = { ...Twin };
  assert.deepEqual(await linesOf(inserted(Twin, 1, room(1)), updated(again, 1, room(1), room(2))), [
    'create twin room @1 {"$dtId":"room","T":2}',
  ]);
});

Deno.test("a twin without $dtId keeps the identity of its old row", async () => {
  assert.deepEqual(await linesOf(updated(Twin, 1, room(1), { T: 2 })), [
    'update twin room @0 {"$dtId":"room","T":1} → {"T":2}',
  ]);
});

Deno.test("a twin without $dtId keeps the identity of the run, and of the stub", async () => {
  const hall = { $dtId: "hall" };
  assert.deepEqual(
    await linesOf(
      inserted(Twin, 1, { $dtId: "room" }),
      inserted(Twin, 2, hall),
      updated(Twin, 1, "unsent", { T: 1 }),
      updated(Twin, 1, "unsent", { T: 2 }),
      updated(Twin, 2, hall, { T: 3 }),
    ),
    ['create twin room @3 {"T":2}', 'create twin hall @4 {"T":3}'],
  );
});

Deno.test("a relationship or model that does not say who it is keeps what it was", async () => {
  const nameless = { rate: 2, $targetId: "x" };
  assert.deepEqual(
    await linesOf(
      updated(contains, 1, link(1), nameless),
      updated(contains, 2, link(1), { ...nameless, $sourceId: "room" }),
      updated(contains, 3, link(1), { ...nameless, $relationshipId: "r" }),
      updated(Model, 4, { id: "dtmi:m;1" }, { model: {} }),
    ),
    [
      ...[
        '{"rate":2,"$targetId":"x"}',
        '{"rate":2,"$targetId":"x","$sourceId":"room"}',
        '{"rate":2,"$targetId":"x","$relationshipId":"r"}',
      ].map((after, ordinal) =>
        `update relationship room/r @${ordinal} {"$relationshipId":"r","$sourceId":"room","$targetId":"x","rate":1} → ${after}`
      ),
      'update model dtmi:m;1 @3 {"id":"dtmi:m;1"} → {"model":{}}',
    ],
  );
});

Deno.test("what no state gives an identity makes no event, is counted and reported", async () => {
  const { lines, ignored, log } = await twinOutcome(
    transaction([
      updated(Twin, 1, { T: 1, $metadata: {} }, { T: 2, $metadata: {} }),
      updated(Twin, 2, "unsent", { T: 2, $metadata: { $model: "m" } }),
      inserted(contains, 3, { $relationshipName: "contains" }),
      inserted(Model, 4, { id: "no-dtmi", model: {} }),
      deleted(Twin, 5, { T: 1, $metadata: {} }),
    ]),
  );
  assert.deepEqual(lines, ["settle"]);
  assert.deepEqual(ignored, { no_identity: 5 });
  assert.equal(log.length, 3, "one for each of the labels");
  for (const line of log) assert.match(line, /^warn Cannot make an event of a row: no state of it says/);
});

Deno.test("a row that becomes a twin is a create", async () => {
  assert.deepEqual(await linesOf(updated(Twin, 1, { T: 1 }, room(2))), [
    'create twin room @0 {"$dtId":"room","T":2}',
  ]);
});

Deno.test("a relationship of unknown source makes no event, is counted and reported", async () => {
  const { lines, ignored, log } = await twinOutcome(
    transaction([
      inserted(contains, 1, { $relationshipId: "r" }),
      inserted(contains, 2, { $relationshipId: "s", rate: 1 }),
      updated(contains, 3, { $relationshipId: "t", rate: 1 }, { $relationshipId: "t", rate: 2 }),
      deleted(contains, 4, { $relationshipId: "u", rate: 1 }),
    ]),
  );
  assert.deepEqual(lines, ["settle"]);
  assert.deepEqual(ignored, { unknown_source: 4 });
  assert.deepEqual(log, ["warn Cannot make an event of a relationship: no state of it has a $sourceId"]);
});

Deno.test("a changed identity is a delete and a create", async () => {
  const lines = await linesOf(
    updated(Twin, 1, room(1), { $dtId: "hall", T: 2 }),
    updated(contains, 2, link(1), { ...link(2), $relationshipId: "s" }),
    updated(contains, 3, link(1), { ...link(2), $sourceId: "hall" }),
    updated(Model, 4, { id: "dtmi:m;1" }, { id: "dtmi:m;2" }),
  );
  assert.deepEqual(lines.map((line) => line.replace(/ \{.*/, "")), [
    "delete twin room @0",
    "create twin hall @0.1",
    "delete relationship room/r @1",
    "create relationship room/s @1.1",
    "delete relationship room/r @2",
    "create relationship hall/r @2.1",
    "delete model dtmi:m;1 @3",
    "create model dtmi:m;2 @3.1",
  ]);
  assert.match(lines[0] ?? "", /\{"\$dtId":"room","T":1\}$/);
  assert.match(lines[1] ?? "", /\{"\$dtId":"hall","T":2\}$/);
});

Deno.test("an identity that changes and comes back inside of a run is none that changed", async () => {
  assert.deepEqual(
    await linesOf(
      updated(Twin, 1, room(1), { $dtId: "hall", T: 2 }),
      updated(Twin, 1, { $dtId: "hall", T: 2 }, room(3)),
    ),
    ['update twin room @1 {"$dtId":"room","T":1} → {"$dtId":"room","T":3}'],
  );
});

Deno.test("an update whose old row was not sent has no old body", async () => {
  assert.deepEqual(await linesOf(updated(contains, 1, "unsent", link(6))), [
    'update relationship room/r @0 ? → {"$relationshipId":"r","$sourceId":"room","$targetId":"x","rate":6}',
  ]);
  assert.deepEqual(await linesOf(updated(Twin, 1, "unsent", room(1)), updated(Twin, 1, "unsent", room(2))), [
    'update twin room @1 ? → {"$dtId":"room","T":2}',
  ]);
});

Deno.test("a delete that carries no properties gives no event, is counted, and its label is named once", async () => {
  const { lines, ignored, log } = await twinOutcome(
    transaction([
      ...Array.from({ length: 10 }, (_, id) => deleted(Twin, id, "unsent")),
      deleted(contains, 11, "unsent"),
    ]),
  );
  assert.deepEqual(lines, ["settle"]);
  assert.deepEqual(ignored, { delete_without_properties: 11 });
  assert.deepEqual(log, [
    "warn Cannot make events of deletes: the label has no REPLICA IDENTITY FULL",
    "warn Cannot make events of deletes: the label has no REPLICA IDENTITY FULL",
  ]);
});

Deno.test("a delete that carries no properties has those of the run that it ends", async () => {
  assert.deepEqual(await linesOf(updated(Twin, 1, "unsent", room(2)), deleted(Twin, 1, "unsent")), [
    'delete twin room @1 {"$dtId":"room","T":2}',
  ]);
  assert.deepEqual(await linesOf(inserted(Twin, 1, room(2)), deleted(Twin, 1, "unsent")), []);
});

Deno.test("unchanged TOAST is filled from the old row, or from the run", async () => {
  assert.deepEqual(await linesOf(updated(Twin, 1, room(1), undefined)), [
    'update twin room @0 {"$dtId":"room","T":1} → {"$dtId":"room","T":1}',
  ]);
  assert.deepEqual(
    await linesOf(updated(Twin, 1, "unsent", room(2)), updated(Twin, 1, "unsent", undefined)),
    [
      'update twin room @1 ? → {"$dtId":"room","T":2}',
    ],
  );
  assert.deepEqual(
    await linesOf(updated(Twin, 1, "unsent", undefined), updated(Twin, 1, "unsent", room(2))),
    [
      'update twin room @1 ? → {"$dtId":"room","T":2}',
    ],
  );
});

Deno.test("unchanged TOAST that nothing fills gives no event and is counted", async () => {
  const { lines, ignored, log } = await twinOutcome(
    transaction([updated(Twin, 1, "unsent", undefined), updated(Twin, 2, "unsent", undefined)]),
  );
  assert.deepEqual(lines, ["settle"]);
  assert.deepEqual(ignored, { unknown_properties: 2 });
  assert.equal(log.length, 1);
});

Deno.test("a row that is no agtype is counted and reported by place, never by value, and stops nothing", async () => {
  const fields: unknown[] = [];
  const noted = (_message: string, noted?: unknown) => void fields.push(noted);
  const log = { debug: noted, info: noted, warn: noted, error: noted };
  const steps = [
    inserted(Twin, 1, '{"$dtId": "secret", "T": }'),
    inserted(Twin, 2, "[]"),
    inserted(Twin, 3, null),
    updated(Twin, 4, room(1), "oops"),
    inserted(contains, 5, '{"a": 1::float}'),
    inserted(Twin, 6, room(1)),
  ];
  const { lines, ignored } = await twinOutcome(transaction(steps), { log });
  assert.deepEqual(lines, ['create twin room @5 {"$dtId":"room","T":1}', "settle"]);
  assert.deepEqual(ignored, { malformed: 5 });
  assert.deepEqual(fields, [
    { graph: "digitaltwins", label: "Twin", row: "1", commitLsn: "1/0", ordinal: 0, times: 1 },
    { graph: "digitaltwins", label: "contains", row: "5", commitLsn: "1/0", ordinal: 4, times: 1 },
  ]);
});

Deno.test("of an old row that is no agtype nothing is known", async () => {
  const { lines, ignored } = await twinOutcome(
    transaction([
      updated(Twin, 1, "oops", room(2)),
      updated(Twin, 2, { $dtId: "hall", T: 1 }, "oops"),
      updated(Twin, 2, "oops", { $dtId: "hall", T: 3 }),
    ]),
  );
  assert.deepEqual(lines, [
    'update twin room @0 ? → {"$dtId":"room","T":2}',
    'update twin hall @2 ? → {"$dtId":"hall","T":3}',
    "settle",
  ]);
  assert.deepEqual(ignored, { malformed: 3 });
});

Deno.test("reports come with the 1st, 10th and 100th row", async () => {
  const { ignored, log } = await twinOutcome(
    transaction(Array.from({ length: 150 }, (_, id) => inserted(Twin, id, "oops"))),
  );
  assert.deepEqual(ignored, { malformed: 150 });
  assert.equal(log.length, 3);
});

Deno.test("TRUNCATE of labels gives a gap for each, after what came before", async () => {
  const machine = table("digitaltwins", "Machine", vertexColumns);
  assert.deepEqual(
    await linesOf(
      inserted(Twin, 1, { $dtId: "stub" }),
      inserted(machine, 2, { $dtId: "machine" }),
      updated(Twin, 3, room(1), room(2)),
      truncated(orders, Twin, contains),
      inserted(Twin, 4, room(3)),
    ),
    [
      'update twin room @2 {"$dtId":"room","T":1} → {"$dtId":"room","T":2}',
      'create twin stub @0 {"$dtId":"stub"}',
      "gap Twin @3.1",
      "gap contains @3.2",
      'create twin room @4 {"$dtId":"room","T":3}',
      'create twin machine @1 {"$dtId":"machine"}',
    ],
  );
  const { items } = await twinOutcome(transaction([truncated(Twin)]));
  const [gap] = items;
  assert(gap?.kind === "gap");
  assert.deepEqual([gap.graph, gap.label, gap.reason], ["digitaltwins", "Twin", "truncate"]);
});

Deno.test("a row that is larger than can be read is told of by a gap in its place, and stops nothing", async () => {
  const many = `{"$dtId": "room", "list": [${"1,".repeat(MOST_NODES)}1]}`;
  const { lines, ignored, log } = await twinOutcome(
    transaction([
      inserted(Twin, 1, { $dtId: "stub" }),
      updated(Twin, 2, room(1), many),
      updated(Twin, 2, many, room(2)),
      inserted(Twin, 3, room(3)),
      deleted(Twin, 3, many),
    ]),
  );
  assert.deepEqual(lines, [
    'create twin stub @0 {"$dtId":"stub"}',
    "gap Twin @1.0",
    'update twin room @2 ? → {"$dtId":"room","T":2}',
    'create twin room @3 {"$dtId":"room","T":3}',
    "gap Twin @4.0",
    "settle",
  ]);
  assert.deepEqual(ignored, { too_large: 3 });
  assert.match(log.join(), /larger than 256 MiB/);
});

Deno.test("properties of more bytes than can be read are not even decoded", async () => {
  const bytes = new Uint8Array(LARGEST_BODY + 1);
  const [begin, insert, settle] = transaction([inserted(Twin, 1, room(1))]);
  assert(begin && settle && insert?.kind === "insert");
  const large: Tuple = {
    columnCount: 2,
    kind: () => "text",
    bytes: (column) => column === 1 ? bytes : undefined,
    text: (column) => column === 1 ? assert.fail("decoded") : "1",
  };
  const { lines, items } = await twinOutcome([begin, { ...insert, new: large }, settle]);
  assert.deepEqual(lines, ["gap Twin @0.0", "settle"]);
  assert(items[0]?.kind === "gap" && items[0].reason === "too_large");
});

Deno.test("settling passes on in order, after all of its transaction's changes", async () => {
  const { items } = await twinOutcome([
    { kind: "settle", lsn: 1n, endsTransaction: false },
    ...transaction([inserted(Twin, 1, { $dtId: "stub" })], { commitLsn: 0x100n }),
    { kind: "settle", lsn: 0x200n, endsTransaction: false },
  ]);
  assert.deepEqual(items.map((item) => item.kind === "settle" ? item.lsn : item.kind), [
    1n,
    "change",
    0x130n,
    0x200n,
  ]);
});

Deno.test("a transaction that begins again forgets what it had begun", async () => {
  const cutShort = transaction([inserted(Twin, 1, { $dtId: "stub" }), updated(Twin, 2, room(1), room(2))])
    .slice(0, -1);
  const { lines } = await twinOutcome([...cutShort, ...transaction([updated(Twin, 2, room(2), room(3))])]);
  assert.deepEqual(lines, ['update twin room @0 {"$dtId":"room","T":2} → {"$dtId":"room","T":3}', "settle"]);
});

Deno.test("new graphs and labels are told of, once for each transaction", () => {
  let told = 0;
  const agGraph = table("ag_catalog", "ag_graph", { name: undefined });
  const other = table("ag_catalog", "other", { name: undefined });
  const changes = new TwinChanges({ metrics: new Metrics(), onCatalogChange: () => told++ });
  const run = (...steps: Step[]) => {
    for (const item of transaction(steps)) changes.push(item, []);
    return told;
  };
  assert.equal(run(inserted(agLabel, 1, null), inserted(agLabel, 2, null)), 1);
  assert.equal(run(inserted(agGraph, 1, null)), 2);
  assert.equal(run(deleted(agLabel, 1, null), inserted(other, 1, null), inserted(orders, 1, null)), 2);
});

const trace = "00-2aa957558db348f387ef704b37631a1d-590d733a1b798149-01";

Deno.test("a traceparent message belongs to the changes after it in its transaction", async () => {
  const other = trace.replace("590d", "590e");
  const { items } = await twinOutcome([
    ...transaction([
      inserted(Twin, 1, { $dtId: "before", T: 1 }),
      inserted(Twin, 2, { $dtId: "stub" }),
      message("traceparent", trace),
      inserted(Twin, 3, { $dtId: "after", T: 1 }),
      message("traceparent", other),
      updated(Twin, 2, { $dtId: "stub" }, { $dtId: "stub", T: 1 }),
    ]),
    ...transaction([inserted(Twin, 4, { $dtId: "next", T: 1 })]),
  ]);
  assert.deepEqual(
    items.flatMap((item) => item.kind === "change" ? [[item.id, item.traceparent]] : []),
    [["before", undefined], ["after", trace], ["stub", other], ["next", undefined]],
  );
});

Deno.test("a traceparent message that is none, is not transactional, or is another's does nothing", async () => {
  const { items, ignored } = await twinOutcome(
    transaction([
      message("traceparent", trace, false),
      message("tracestate", trace),
      message("traceparent", "00-2aa957558db348f387ef704b37631a1d"),
      inserted(Twin, 1, room(1)),
    ]),
  );
  assert(items[0]?.kind === "change");
  assert.equal("traceparent" in items[0], false);
  assert.deepEqual(ignored, { bad_traceparent: 1 });
});

Deno.test("labels of several graphs do not mix", async () => {
  const one = table("one", "Twin", vertexColumns);
  const two = table("two", "Twin", vertexColumns);
  const { items } = await twinOutcome(
    transaction([
      inserted(one, 1, { $dtId: "a" }),
      inserted(two, 1, { $dtId: "a", T: 1 }),
      updated(one, 1, { $dtId: "a" }, { $dtId: "a", T: 2 }),
    ]),
  );
  assert.deepEqual(
    items.flatMap((item) =>
      item.kind === "change" ? [`${item.graph} ${item.action} ${item.position.ordinal}`] : []
    ),
    [
      "two create 1",
      "one create 2",
    ],
  );
});

Deno.test("edges of any label whose rows name a relationship are relationships", async () => {
  const feeds = table("digitaltwins", "feeds", { ...edgeColumns, note: undefined });
  assert.deepEqual(await linesOf(inserted(feeds, 1, link(1))), [
    'create relationship room/r @0 {"$relationshipId":"r","$sourceId":"room","$targetId":"x","rate":1}',
  ]);
});
