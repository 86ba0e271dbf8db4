import assert from "node:assert/strict";
import { ReplicationDecoder } from "../../../src/postgres/pgoutput/replication_decoder.ts";
import type { Replicated } from "../../../src/postgres/row_change.ts";
import { type BuiltMessage, encodeWalMessage } from "../../support/pgoutput_builder.ts";
import { begin, commit, relation } from "../../support/wal_messages.ts";

/** PostgreSQL's `MaxHeapAttributeNumber`. */
const MOST_COLUMNS = 1_600;

function decode(messages: Iterable<BuiltMessage>): Replicated[] {
  return new ReplicationDecoder().decode(Iterator.from(messages).map(encodeWalMessage));
}

Deno.test("each row of 100,000 tables in one transaction is its own table's, also once all are known", () => {
  const tables = 100_000;
  function* messages(): Iterable<BuiltMessage> {
    yield begin;
    for (let oid = 1; oid <= tables; oid++) {
      yield relation(oid, `label-${oid}`);
      yield { kind: "insert", relationOid: oid, new: [`${oid}`] };
    }
    for (let oid = tables; oid > 0; oid--) yield { kind: "delete", relationOid: oid, old: [`${oid}`] };
    yield commit;
  }
  const rows = decode(messages()).filter((item) => item.kind === "insert" || item.kind === "delete");
  assert.equal(rows.length, 2 * tables);
  for (const [index, row] of rows.entries()) {
    const oid = index < tables ? index + 1 : 2 * tables - index;
    const value = (row.kind === "insert" ? row.new : row.old)?.text(0);
    assert.deepEqual([row.relation.name, row.ordinal, value], [`label-${oid}`, index, `${oid}`]);
  }
});

Deno.test("a table may have as many columns as PostgreSQL lets it have", () => {
  const values = Array.from(
    { length: MOST_COLUMNS },
    (_, index) => index % 3 === 0 ? null : `value ${index}`,
  );
  const items = decode([
    begin,
    relation(1, "Wide", MOST_COLUMNS),
    { kind: "insert", relationOid: 1, new: values },
    commit,
  ]);
  const row = items.find((item) => item.kind === "insert");
  assert.equal(row?.relation.columns.at(-1)?.name, `c${MOST_COLUMNS - 1}`);
  assert.deepEqual(values.map((_, index) => row?.new.text(index) ?? null), values);
});
