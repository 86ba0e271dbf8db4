import assert from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { createAgeShape, createEdgeLabel, createGraph, createVertexLabel } from "../../demo/age_shape.ts";
import { agtype, float } from "../../demo/agtype.ts";
import { startPostgres } from "../../demo/embedded_postgres.ts";
import { TwinGraph } from "../../demo/twin_graph.ts";
import { PgoutputDecoder, type SkippedRow } from "../../src/postgres/pgoutput/pgoutput_decoder.ts";
import { quoteTable } from "../../src/postgres/connection/quote.ts";
import type { RelationMessage, Tuple, WalMessage } from "../../src/postgres/wal_message.ts";
import { type CaptureName, readCapture } from "../support/captures.ts";

const graph = "digitaltwins";

for (const version of [15, 18] as const) {
  for (const capture of ["basic", "api"] as const satisfies CaptureName[]) {
    Deno.test(`PostgreSQL ${version} sends the rows of the ${capture} capture as AGE had it send them`, async () => {
      await using server = await startPostgres({ version, settings: { fsync: "off" } });
      const sql = postgres(server.connectionString, { max: 1, onnotice: () => {} });
      try {
        await createGraphAsRecorded(sql);
        await sql`CREATE PUBLICATION age_pub FOR ALL TABLES`;
        await sql`SELECT pg_create_logical_replication_slot('age_slot', 'pgoutput')`;
        const recorded = readCapture(capture);
        await replay(sql, recorded);
        const sent = await sql<{ data: Uint8Array }[]>`
          SELECT data FROM pg_logical_slot_get_binary_changes(
            'age_slot', NULL, NULL, 'proto_version', '1', 'publication_names', 'age_pub')`;
        assert.deepEqual(described(sent.map((row) => row.data)), described(recorded));
      } finally {
        await sql.end();
      }
    });
  }
}

Deno.test("rows written as AgeDigitalTwins' API writes them hold what was said, twins of pasted SQL too", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const sql = postgres(server.connectionString, { max: 1, onnotice: () => {} });
  try {
    await createGraphAsRecorded(sql);
    const twins = new TwinGraph(sql, graph);
    await twins.putModel({ "@id": "dtmi:example:Room;1", "@type": "Interface" });
    const properties = { temperature: float(22), seats: 4, note: "x" };
    await twins.putTwin({ id: "room-1", model: "dtmi:example:Room;1", properties });
    await twins.putTwin({ id: "room-2", model: "dtmi:example:Room;1" });
    await twins.updateTwin("room-1", { temperature: float(23), note: undefined });
    const relationship = { id: "r-1", name: "contains", source: "room-1", target: "room-2" };
    await twins.putRelationship(relationship);
    await twins.updateRelationship(relationship, { doors: 2 });
    await sql`UPDATE digitaltwins."Twin" SET properties = properties::jsonb || '{"seats": 5}'
      WHERE properties::jsonb @> '{"$dtId": "room-1"}'`;

    assert.match(
      await textOf(sql, "Twin", "room-1"),
      /^\{"\$dtId": "room-1", "\$etag": "W\/\\"[-0-9a-f]+\\"", "seats": 5, "\$metadata": .*, "temperature": 23\.0\}$/,
    );
    const { $etag: _, ...related } = JSON.parse(await textOf(sql, "contains", "r-1"));
    assert.deepEqual(related, {
      doors: 2,
      $sourceId: "room-1",
      $targetId: "room-2",
      $relationshipId: "r-1",
      $relationshipName: "contains",
    });
    const [edge] = await sql`SELECT id::text, start_id::text, end_id::text FROM digitaltwins._ag_label_edge`;
    assert.deepEqual({ ...edge }, {
      id: String((7n << 48n) + 1n),
      start_id: String((3n << 48n) + 1n),
      end_id: String((3n << 48n) + 2n),
    });
    await assert.rejects(
      () => twins.putRelationship({ id: "r-2", name: "contains", source: "room-1", target: "nowhere" }),
      /Cannot relate room-1 to nowhere/,
    );

    await twins.deleteRelationship(relationship);
    await twins.deleteTwin("room-2");
    const left =
      await sql`SELECT properties::jsonb ->> '$dtId' AS id FROM digitaltwins._ag_label_vertex ORDER BY 1`;
    assert.deepEqual(left.map((row) => row.id), ["room-1", null]);
  } finally {
    await sql.end();
  }
});

Deno.test("floats are printed as PostgreSQL prints them", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const sql = postgres(server.connectionString, { max: 1 });
  try {
    // Halves of the exponents' whole range, and where one notation gives way to the other.
    const values = Array.from({ length: 61 }, (_, index) => 1.5 * 10 ** (index * 10 - 300))
      .concat([1e14, 1e15, 123456789012345680, 999999999999999, 1e-4, 9.9e-5, 1e-6, 0.1 + 0.2, 22.5, 5e-324]);
    const rows = await sql`SELECT value::text AS text FROM unnest(${values}::float8[]) value`;
    assert.deepEqual(
      values.map((value) => agtype(float(value))),
      rows.map((row) => /[.e]/.test(row.text) ? row.text : `${row.text}.0`),
    );
  } finally {
    await sql.end();
  }
});

/** The graph that was recorded, its labels made in the same order. */
async function createGraphAsRecorded(sql: Sql): Promise<void> {
  const full = { replicaIdentity: "full" } as const;
  await createAgeShape(sql);
  await createGraph(sql, graph);
  await createVertexLabel(sql, graph, "Twin", full);
  await createVertexLabel(sql, graph, "Model", full);
  await createEdgeLabel(sql, graph, "_extends", full);
  await createEdgeLabel(sql, graph, "_hasComponent", full);
  await createEdgeLabel(sql, graph, "contains", full);
}

/** Does what the recorded messages say was done, transaction by transaction. */
async function replay(sql: Sql, recorded: readonly Uint8Array[]): Promise<void> {
  const decoder = new PgoutputDecoder();
  const relations = new Map<number, RelationMessage>();
  for (const payload of recorded) {
    const message = decoder.decode(payload);
    switch (message.kind) {
      case "begin":
        await sql.unsafe("BEGIN");
        break;
      case "commit":
        await sql.unsafe("COMMIT");
        break;
      case "relation":
        relations.set(message.oid, message);
        break;
      case "insert": {
        const { table, columns } = rowOf(relations, message.relationOid);
        const places = columns.map((_, index) => `$${index + 1}`);
        await sql.unsafe(
          `INSERT INTO ${table} VALUES (${places})`,
          columns.map((_, at) => valueAt(message.new, at)),
        );
        break;
      }
      case "update": {
        const { table, columns } = rowOf(relations, message.relationOid);
        const places = columns.map((name, index) => `${name} = $${index + 1}`).slice(1);
        const values = columns.map((_, at) => valueAt(message.new, at));
        await sql.unsafe(`UPDATE ${table} SET ${places} WHERE id::bigint = $1::bigint`, values);
        break;
      }
      case "delete": {
        const { table } = rowOf(relations, message.relationOid);
        const values = [message.old ? valueAt(message.old, 0) : null];
        await sql.unsafe(`DELETE FROM ${table} WHERE id::bigint = $1::bigint`, values);
        break;
      }
    }
  }
}

function rowOf(
  relations: ReadonlyMap<number, RelationMessage>,
  oid: number,
): { table: string; columns: string[] } {
  const relation = relations.get(oid);
  assert.ok(relation);
  const table = quoteTable({ schema: relation.namespace, name: relation.name });
  return { table, columns: relation.columns.map((column) => column.name) };
}

function valueAt(tuple: Tuple, column: number): string | null {
  return tuple.text(column) ?? null;
}

/** The messages without what differs between any two databases: OIDs, positions and times. */
function described(payloads: readonly Uint8Array[]): unknown[] {
  const decoder = new PgoutputDecoder();
  const relations = new Map<number, RelationMessage>();
  return payloads.map((payload) => {
    const message: WalMessage | SkippedRow = decoder.decode(payload);
    if (message.kind === "relation") relations.set(message.oid, message);
    switch (message.kind) {
      case "relation":
        return { ...message, oid: 0, columns: message.columns.map((column) => ({ ...column, typeOid: 0 })) };
      case "type":
        return { ...message, oid: 0 };
      case "insert":
      case "update":
      case "delete":
        return {
          kind: message.kind,
          table: relations.get(message.relationOid)?.name,
          old: "old" in message ? message.old && texts(message.old) : undefined,
          new: "new" in message ? texts(message.new) : undefined,
        };
      default:
        return { kind: message.kind };
    }
  });
}

function texts(tuple: Tuple): unknown[] {
  return Array.from({ length: tuple.columnCount }, (_, column) => [tuple.kind(column), tuple.text(column)]);
}

async function textOf(sql: Sql, label: string, id: string): Promise<string> {
  const [row] = await sql<{ text: string }[]>`
    SELECT properties::text AS text FROM ${sql(graph)}.${sql(label)}
    WHERE ${id} IN (properties::jsonb ->> '$dtId', properties::jsonb ->> '$relationshipId')`;
  assert.ok(row);
  return row.text;
}
