import assert from "node:assert/strict";
import { createVertexLabel } from "../../../../demo/age_shape.ts";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import { type LabelRows, readLabelRows } from "../../../../src/postgres/replication/label_rows.ts";
import { GraphCluster } from "../../../support/graph_cluster.ts";

Deno.test("a label's rows are read as agtype, in each graph that is followed and that may be read", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database(["a-b", "denied", 'q"uoted', "unwanted", "without"]);
  const { sql } = database;
  const row = '{"id": "dtmi:m;1", "exact": 22.0, "dec": 1.10::numeric}';
  for (const graph of ["a-b", "denied", 'q"uoted', "unwanted"]) {
    await createVertexLabel(sql, graph, "Model");
    await sql.unsafe(`INSERT INTO "${graph.replace('"', '""')}"."Model" (properties) VALUES ($1)`, [row]);
  }
  await database.createRole("reader");
  await sql`GRANT USAGE ON SCHEMA "a-b", "q""uoted", denied, unwanted TO reader`;
  await sql`GRANT SELECT ON "a-b"."Model", "q""uoted"."Model" TO reader`;

  const settings = database.settings({ user: "reader", graphs: ["a-b", "denied", 'q"uoted', "without"] });
  await using reader = openSql(settings.connection);
  const read: LabelRows[] = [];
  const refused: string[] = [];
  for await (const rows of readLabelRows(reader, settings, "Model", ({ problem }) => refused.push(problem))) {
    read.push(rows);
  }
  assert.deepEqual(read, [
    { graph: "a-b", properties: [row] },
    { graph: 'q"uoted', properties: [row] },
    { graph: "without", properties: [] },
  ]);
  assert.deepEqual(refused, ["Cannot read denied.Model: permission denied for table Model"]);

  await reader.end();
  await assert.rejects(async () => await readLabelRows(reader, settings, "Model", () => {}).next());
});
