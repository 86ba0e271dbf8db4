import assert from "node:assert/strict";
import { formatLsn } from "../../../src/postgres/lsn.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import { ReplicationDecoder } from "../../../src/postgres/pgoutput/replication_decoder.ts";
import type { Relation, Replicated } from "../../../src/postgres/row_change.ts";
import type { Tuple } from "../../../src/postgres/wal_message.ts";
import { type CaptureName, captureNames, readCapture } from "../../support/captures.ts";
import { describeReplicated, nameOf, rowsOf, withColumns } from "../../support/describe_replicated.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

Deno.test("basic: twins, relationships and models are made, changed and removed", () => {
  const items = decodeCapture("basic");
  assert.deepEqual(describeReplicated(items), [
    ...transaction("insert 0 Model: new dtmi:example:Room;1"),
    ...transaction("insert 0 Twin: new room-a"),
    ...transaction("update 0 Twin: old room-a, new room-a"),
    ...transaction("update 0 Twin: old room-a, new room-a"),
    ...transaction("insert 0 Twin: new floor-1"),
    ...transaction("insert 0 contains: new rel-1"),
    ...transaction("update 0 contains: old rel-1, new rel-1"),
    ...transaction("insert 0 Twin: new room-b"),
    ...transaction("update 0 Twin: old room-b, new room-b"),
    ...transaction("insert 0 Twin: new edge-values"),
    ...transaction("insert 0 Twin: new merged", "update 1 Twin: old merged, new merged"),
    ...transaction("insert 0 Twin: new ghost", "delete 1 Twin: old ghost"),
    ...transaction(
      "update 0 Twin: old room-a, new room-a",
      "update 1 Twin: old room-b, new room-b",
      "update 2 Twin: old room-a, new room-a",
    ),
    ...transaction("update 0 Twin: old room-a, new room-a"),
    ...transaction("delete 0 contains: old rel-1"),
    ...transaction("delete 0 Twin: old room-a"),
    ...transaction("update 0 Model: old dtmi:example:Room;1, new dtmi:example:Room;1"),
    ...transaction("delete 0 Model: old dtmi:example:Room;1"),
  ]);

  const rows = rowsOf(items);
  const temperatures = rows.flatMap((row) =>
    row.kind === "update"
      ? [[valueOf(row.old, "Temperature"), valueOf(row.new, "Temperature")].join(" to ")]
      : []
  );
  assert.deepEqual(temperatures.filter((change) => change !== " to "), [
    "21.5 to 22.0",
    "22.0 to 22.0",
    " to 1.5",
    "22.0 to 23.0",
    "23.0 to 24.0",
    "24.0 to 24.0",
  ]);
  const odd = rows.find((row) => row.kind === "insert" && nameOf(row.new) === "edge-values");
  const properties = odd?.kind === "insert" ? odd.new.text(1) : undefined;
  for (
    const part of [
      '"big": 9007199254740993,',
      '"exact": 22.0,',
      '"nan": NaN,',
      '"neg": -0.0,',
      '"dec": 1.1::numeric,',
    ]
  ) {
    assert.equal(properties?.includes(part), true, part);
  }
  assert.equal(properties?.includes('"name": "caf\u00e9 \\n \\"q\\" \\\\ \\u0001 \u{1f600}"'), true);
});

Deno.test("basic: each table is described, with the types that are not built in", () => {
  const [model, twin, contains] = new Set(rowsOf(decodeCapture("basic")).map(({ relation }) => relation));
  const id = { name: "id", partOfKey: true, typeOid: 16420, typeModifier: -1 };
  const properties = { name: "properties", partOfKey: true, typeOid: 16452, typeModifier: -1 };
  assert.deepEqual(twin, {
    oid: 17008,
    namespace: "digitaltwins",
    name: "Twin",
    replicaIdentity: "full",
    columns: [id, properties],
    typeNames: ["ag_catalog.graphid", "ag_catalog.agtype"],
  });
  assert.equal(model?.name, "Model");
  assert.deepEqual(contains?.columns, [
    id,
    { ...id, name: "start_id" },
    { ...id, name: "end_id" },
    properties,
  ]);
});

Deno.test("basic: a transaction has its commit's position and time, and is confirmed as its end", () => {
  const [begin, , settle] = decodeCapture("basic");
  assert.deepEqual(begin, {
    kind: "begin",
    transaction: { xid: 778, commitLsn: 0x1f19ef0n, commitTime: 0x303e65883b90an },
  });
  assert.deepEqual(settle, { kind: "settle", lsn: 0x1f19f20n, endsTransaction: true });
});

Deno.test("api: a stub is inserted before its values are set", () => {
  const items = decodeCapture("api");
  assert.deepEqual(describeReplicated(items), [
    ...transaction("insert 0 Twin: new boiler-1", "update 1 Twin: old boiler-1, new boiler-1"),
    ...transaction("update 0 Twin: old boiler-1, new boiler-1"),
    ...transaction("update 0 Twin: old boiler-1, new boiler-1"),
    ...transaction("update 0 Twin: old boiler-1, new boiler-1"),
    ...transaction("update 0 Twin: old boiler-1, new boiler-1"),
    ...transaction("insert 0 Twin: new nameless", "update 1 Twin: old nameless, new ?"),
    ...transaction(
      "insert 0 Twin: new batch-1",
      "update 1 Twin: old batch-1, new batch-1",
      "update 2 Twin: old boiler-1, new boiler-1",
      "insert 3 Twin: new batch-3",
      "update 4 Twin: old batch-3, new batch-3",
    ),
    ...transaction(
      "insert 0 Twin: new late-1",
      "insert 1 Twin: new late-2",
      "insert 2 Twin: new late-3",
      "update 3 Twin: old late-1, new late-1",
      "update 4 Twin: old late-2, new late-2",
      "update 5 Twin: old late-3, new late-3",
    ),
  ]);
  const etags = rowsOf(items).map((row) => row.kind === "delete" ? undefined : valueOf(row.new, "$etag"));
  assert.deepEqual(
    etags.filter((etag) => etag),
    ["b1", "b2", "b3", "b4", "b5"].map((etag) => `"W/\\"${etag}\\""`),
  );
});

Deno.test("labels: a new label has no old rows until its replica identity is full", () => {
  const items = decodeCapture("labels");
  assert.deepEqual(describeReplicated(items), [
    ...transaction("insert 0 Twin: new pump-1"),
    ...transaction("insert 0 Twin: new tank-1"),
    ...transaction(
      "insert 0 ag_label: new feeds|16985|8|e|digitaltwins.feeds|feeds_id_seq",
      "insert 1 feeds: new f-1",
    ),
    ...transaction("update 0 feeds: new f-1"),
    ...transaction("update 0 feeds: old f-1, new f-1"),
    ...transaction("delete 0 feeds: old f-1"),
  ]);
  const feeds = rowsOf(items).filter(({ relation }) => relation.name === "feeds");
  assert.deepEqual(feeds.map(({ relation }) => relation.replicaIdentity), [
    "default",
    "default",
    "full",
    "full",
  ]);
  assert.deepEqual(feeds.map((row) => row.kind === "delete" ? undefined : valueOf(row.new, "rate")), [
    "5",
    "6",
    "7",
    undefined,
  ]);
  const label = rowsOf(items).find(({ relation }) => relation.name === "ag_label")?.relation;
  assert.equal(label?.namespace, "ag_catalog");
  assert.deepEqual(label?.typeNames, [
    undefined,
    undefined,
    "pg_catalog.int4",
    "pg_catalog.char",
    undefined,
    undefined,
  ]);
});

Deno.test("toast: a value out of line that was not touched is not sent", () => {
  const items = decodeCapture("toast");
  assert.deepEqual(describeReplicated(items), [
    ...transaction("insert 0 toast_full: new big"),
    ...transaction("insert 0 toast_key: new big"),
    ...transaction("update 0 toast_full: old big, new 1|unchanged|b"),
    ...transaction("update 0 toast_key: new 1|unchanged|b"),
    ...transaction("delete 0 toast_full: old big"),
    ...transaction("delete 0 toast_key: key 1|null|null"),
  ]);
  const [, , update] = rowsOf(items);
  const old = update?.kind === "update" ? update.old : undefined;
  assert.equal(old?.text(1)?.includes("0123456789".repeat(300)), true);
});

Deno.test("messages: those outside of a transaction are confirmed by themselves", () => {
  const items = decodeCapture("messages");
  assert.deepEqual(describeReplicated(items), [
    "message 0 digitaltwins_telemetry m-1",
    "settle message",
    ...transaction("message 0 digitaltwins_telemetry m-2", "update 1 Twin: old tank-1, new tank-1"),
    ...transaction("message 0 somebody_else not ours"),
    ...transaction("insert 0 other: new 1|null", "insert 1 other: new 2|x"),
    ...transaction("insert 0 other: new 3|y|2.25"),
    ...transaction("update 0 other: key 1|null|null, new 4|null|1.5"),
    ...transaction("truncate 0 other"),
  ]);
  const [message, settle] = items;
  assert.equal(message?.kind === "message" && message.message.transactional, false);
  assert.equal(message?.kind === "message" && formatLsn(message.message.lsn), "0/1F69B68");
  assert.equal(settle?.kind === "settle" && formatLsn(settle.lsn), "0/1F69B68");
});

Deno.test("messages: the end of a message's record is where the commit after it may begin", () => {
  // The transaction of 'somebody_else' is that message alone. Confirming more than a message's LSN would lose the
  // commit of a transaction that ends with it.
  const items = decodeCapture("messages");
  const index = items.findIndex((item) => item.kind === "message" && item.message.prefix === "somebody_else");
  const [begin, message] = items.slice(index - 1);
  assert.equal(begin?.kind, "begin");
  assert.equal(
    message?.kind === "message" && message.message.lsn,
    begin?.kind === "begin" && begin.transaction.commitLsn,
  );
});

Deno.test("streamed: only what was not rolled back appears, numbered as if nothing had been", () => {
  const items = decodeCapture("streamed");
  const inserts = Array.from({ length: 400 }, (_, index) => `insert ${index} Twin: new s-${index + 1}`);
  const lines = describeReplicated(items);
  assert.deepEqual(lines.slice(0, 403), transaction(...inserts, "update 400 Twin: old s-1, new s-1"));

  const [, settled, second, third] = [...items.keys()].filter((index) =>
    items[index]?.kind === "begin" || items[index]?.kind === "settle"
  );
  assert.deepEqual([settled, second, third, items.length], [402, 403, 804, 805]);
  const deletes = items.slice(404, 804).map((item) => item.kind === "delete" ? item : undefined);
  assert.deepEqual(deletes.map((item) => item?.ordinal), [...inserts.keys()]);
  assert.deepEqual(
    new Set(deletes.map((item) => nameOf(item?.old))),
    new Set(inserts.map((_, index) => `s-${index + 1}`)),
  );
  const commits = items.flatMap((item) => item.kind === "begin" ? [item.transaction.xid] : []);
  assert.deepEqual(commits, [823, 827]);
});

Deno.test("rows of tables that are not interesting are left out and keep their ordinals", () => {
  for (const name of captureNames) {
    const interesting = ({ namespace }: Relation) => namespace === "digitaltwins";
    const expected = decodeCapture(name).flatMap((item): Replicated[] => {
      if ("relation" in item) return interesting(item.relation) ? [item] : [];
      if (item.kind !== "truncate") return [item];
      const relations = item.relations.filter(interesting);
      return relations.length > 0 ? [{ ...item, relations }] : [];
    });
    assert.deepEqual(withColumns(decodeCapture(name, interesting)), withColumns(expected));
  }
  const feeds = rowsOf(decodeCapture("labels", ({ name }) => name === "feeds"));
  assert.deepEqual(feeds.map(({ ordinal }) => ordinal), [1, 0, 0, 0]);
});

Deno.test("rows of tables that are not interesting are not even looked at", () => {
  const payloads = readCapture("messages").map((payload) => {
    const isInsert = payload[0] === "I".charCodeAt(0);
    return isInsert ? payload.subarray(0, 5) : payload;
  });
  assert.throws(() => new ReplicationDecoder().decode(payloads), ProtocolError);
  const items = new ReplicationDecoder(({ name }) => name !== "other").decode(payloads);
  assert.equal(describeReplicated(items).some((line) => line.startsWith("insert")), false);
});

Deno.test("however payloads are divided, the same comes out", () => {
  const random = new SeededRandom(20260101);
  for (const name of captureNames) {
    const expected = withColumns(decodeCapture(name));
    for (let count = 0; count < 5; count++) {
      const payloads = readCapture(name);
      const decoder = new ReplicationDecoder();
      const items: Replicated[] = [];
      while (payloads.length > 0) items.push(...decoder.decode(payloads.splice(0, random.below(10))));
      assert.deepEqual(withColumns(items), expected);
    }
  }
});

Deno.test("what came before a malformed message is there", () => {
  const payloads = readCapture("basic");
  payloads.splice(7, 0, new Uint8Array([0]));
  const items: Replicated[] = [];
  assert.throws(() => new ReplicationDecoder().decode(payloads, items), ProtocolError);
  assert.deepEqual(describeReplicated(items), [
    ...transaction("insert 0 Model: new dtmi:example:Room;1"),
    "begin",
  ]);
});

function decodeCapture(name: CaptureName, interesting?: (relation: Relation) => boolean): Replicated[] {
  return new ReplicationDecoder(interesting).decode(readCapture(name));
}

function transaction(...changes: string[]): string[] {
  return ["begin", ...changes, "settle"];
}

/** As text, of the outermost member with that name: AGE writes the longest names last. */
function valueOf(tuple: Tuple | undefined, member: string): string | undefined {
  const properties = tuple?.text(tuple.columnCount - 1) ?? "";
  const start = properties.lastIndexOf(`"${member}": `);
  return start < 0 ? undefined : /: ("(?:[^"\\]|\\.)*"|[^,}]*)/.exec(properties.slice(start))?.[1];
}
