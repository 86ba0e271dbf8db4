import assert from "node:assert/strict";
import { createGraph, createVertexLabel } from "../../demo/age_shape.ts";
import {
  type ChunkRange,
  nextRange,
  readChunk,
  readLastId,
  readSnapshotLabels,
  type SnapshotLabel,
} from "../../src/postgres/snapshot/label_chunks.ts";
import { TwinDatabase } from "../support/twin_database.ts";

const TWINS: SnapshotLabel = {
  graph: "digitaltwins",
  label: "Twin",
  kind: "vertex",
  estimatedRows: undefined,
  isIndexed: false,
};

async function insert({ sql }: TwinDatabase, ids: readonly (bigint | number)[]): Promise<void> {
  for (const id of ids) {
    await sql`INSERT INTO digitaltwins."Twin" (id, properties) VALUES (${`${id}`}::ag_catalog.graphid, ${"{}"})`;
  }
}

async function idsOf({ sql }: TwinDatabase, range: ChunkRange | undefined): Promise<string[]> {
  assert(range);
  return (await readChunk(sql, range)).rows.map(({ id }) => id);
}

Deno.test("a chunk has no more rows than there were, whatever has been committed into its range since", async () => {
  await using database = await TwinDatabase.open();
  await insert(database, [1, 2, 9]);
  const range = await nextRange(database.sql, TWINS, undefined, "9");
  await insert(database, [3, 4, 5, 6]);
  assert(range);
  const { rows, upTo } = await readChunk(database.sql, range);
  assert.deepEqual([rows.map(({ id }) => id), upTo], [["1", "2", "3"], "3"]);
  const next = await nextRange(database.sql, TWINS, upTo, "9");
  assert.deepEqual(await idsOf(database, next), ["4", "5", "6", "9"]);
  assert.equal(await nextRange(database.sql, TWINS, "9", "9"), undefined);
});

Deno.test("a label ends where it ended when it was begun", async () => {
  await using database = await TwinDatabase.open();
  assert.equal(await readLastId(database.sql, TWINS), undefined);
  await insert(database, [1, 2]);
  const end = await readLastId(database.sql, TWINS) ?? "";
  await insert(database, [3]);
  assert.deepEqual(await idsOf(database, await nextRange(database.sql, TWINS, undefined, end)), ["1", "2"]);
  assert.equal(await nextRange(database.sql, TWINS, "2", end), undefined);
});

Deno.test("graphids are in the order of numbers with a sign, so that those of the last labels come first", async () => {
  await using database = await TwinDatabase.open();
  const negative = BigInt.asIntN(64, 40_000n << 48n);
  await insert(database, [7, negative + 10n, negative + 9n]);
  const ids = [`${negative + 9n}`, `${negative + 10n}`, "7"];
  assert.deepEqual(await idsOf(database, await nextRange(database.sql, TWINS, undefined, "7")), ids);
  assert.deepEqual(await idsOf(database, await nextRange(database.sql, TWINS, ids[0], "7")), ids.slice(1));
});

Deno.test("names are names, whatever is in them", async () => {
  await using database = await TwinDatabase.open();
  const { sql } = database;
  const graph = `x"; DROP $1 'y'`;
  const name = `T $2 "w`;
  await createGraph(sql, graph);
  await createVertexLabel(sql, graph, name);
  await sql`INSERT INTO ${sql(graph)}.${sql(name)} (properties) VALUES ('{}')`;
  const labels = await readSnapshotLabels(
    sql,
    { graphs: [graph] },
    undefined,
  );
  const label = labels.find((label) => label.label === name);
  assert.equal(label?.graph, graph);
  const end = await readLastId(sql, label) ?? "";
  const range = await nextRange(sql, label, undefined, end);
  assert.deepEqual(await idsOf(database, range), [end]);
});

Deno.test("a label is known to have an index only if that begins with its id and has all rows", async () => {
  await using database = await TwinDatabase.open();
  const { sql } = database;
  await sql`ALTER TABLE digitaltwins."Model" ADD PRIMARY KEY (id)`;
  await sql`CREATE INDEX ON digitaltwins.contains (start_id, id)`;
  await sql`CREATE INDEX ON digitaltwins.contains (id) WHERE start_id IS NOT NULL`;
  const indexed = (await readSnapshotLabels(sql, {}, undefined)).filter(({ isIndexed }) => isIndexed);
  assert.deepEqual(indexed.map(({ label }) => label), ["Model"]);
  await sql`CREATE INDEX ON digitaltwins.contains (id)`;
  const labels = await readSnapshotLabels(sql, {}, undefined);
  assert.equal(labels.find(({ label }) => label === "contains")?.isIndexed, true);
});
