import assert from "node:assert/strict";
import { GraphCluster } from "../../../support/graph_cluster.ts";
import { StreamFollower } from "../../../support/stream_follower.ts";

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a narrow publication and then the slot are made, identities are set`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    const { sql } = database;
    const { slot, publication } = database.settings();
    await sql`CREATE TABLE public.elsewhere (n int)`;
    await using follower = new StreamFollower(database.settings());
    await follower.connected();

    const [published] =
      await sql`SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate AS whole
      FROM pg_publication WHERE pubname = ${publication}`;
    assert.deepEqual({ ...published }, { puballtables: false, whole: true });
    const schemas = await sql`SELECT pnnspid::regnamespace::text AS name FROM pg_publication_namespace`;
    assert.deepEqual(schemas.map(({ name }) => name), ["digitaltwins"]);
    const tables =
      await sql`SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables ORDER BY 1`;
    assert.deepEqual(tables.map(({ name }) => name), [
      "ag_catalog.ag_graph",
      "ag_catalog.ag_label",
      "digitaltwins.Twin",
      "digitaltwins._ag_label_edge",
      "digitaltwins._ag_label_vertex",
      "digitaltwins.contains",
    ]);
    const identities = await sql`SELECT DISTINCT relreplident AS identity FROM pg_class
      WHERE oid IN (SELECT (quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass FROM pg_publication_tables)`;
    assert.deepEqual(identities.map(({ identity }) => identity), ["f"]);
    const [made] =
      await sql`SELECT to_jsonb(s) AS slot FROM pg_replication_slots s WHERE slot_name = ${slot}`;
    assert.equal(made?.slot.plugin, "pgoutput");
    assert.equal(made?.slot.database, database.name);
    const [order] = await sql`SELECT age(p.xmin) > age(s.catalog_xmin) AS first
      FROM pg_publication p, pg_replication_slots s`;
    assert.equal(order?.first, true, "the publication was there before the slot");
    assert.equal(made?.slot.failover, version >= 17 ? true : undefined);

    await sql`INSERT INTO public.elsewhere VALUES (1)`;
    await sql`UPDATE public.elsewhere SET n = 2`; // publishing everything would forbid it
    await database.insertTwin("a");
    await sql`UPDATE digitaltwins."Twin" SET properties = '{"$dtId": "a", "n": 1}'`;
    await sql`DELETE FROM digitaltwins."Twin"`;
    await sql`TRUNCATE digitaltwins."Twin"`;
    await follower.seen("truncate");
    assert.deepEqual(follower.changes, [
      'insert {"$dtId": "a"}',
      'update {"$dtId": "a", "n": 1} before {"$dtId": "a"}',
      'delete {"$dtId": "a", "n": 1}',
      "truncate",
    ]);
    // As age_finish_pg_upgrade() does it.
    await sql`UPDATE ag_catalog.ag_label SET graph = graph`;
    assert.deepEqual(follower.log.matching(/^(warn|error)/), []);
  });
}

Deno.test("a failover slot is not made when that is turned off", async () => {
  await using cluster = await GraphCluster.start({ version: 18 });
  const database = await cluster.database();
  await using follower = new StreamFollower(database.settings({ failover: false }));
  await follower.connected();
  const [slot] = await database.sql`SELECT failover FROM pg_replication_slots`;
  assert.equal(slot?.failover, false);
});

Deno.test("an existing publication and slot are taken as they are, and what the publication leaves out is named", async () => {
  await using cluster = await GraphCluster.start({ version: 18 });
  const database = await cluster.database();
  const { sql } = database;
  const settings = database.settings();
  await sql`ALTER TABLE digitaltwins."Twin" ADD PRIMARY KEY (id)`;
  await sql.unsafe(`CREATE PUBLICATION ${settings.publication}
    FOR TABLE ONLY digitaltwins."Twin" (id), ONLY digitaltwins._ag_label_vertex
    WITH (publish = 'insert, update')`);
  await sql`SELECT pg_create_logical_replication_slot(${settings.slot}, 'pgoutput')`;
  await sql`INSERT INTO digitaltwins._ag_label_vertex (properties) VALUES ('{"$dtId": "before the router"}')`;
  const before = await sql`SELECT * FROM pg_publication_rel ORDER BY oid`;

  await using follower = new StreamFollower(settings);
  await follower.seen('insert {"$dtId": "before the router"}');
  assert.deepEqual([...await sql`SELECT * FROM pg_publication_rel ORDER BY oid`], [...before]);
  assert.equal((await sql`SELECT FROM pg_replication_slots`).length, 1);
  const warnings = follower.log.matching(/^warn/).join("\n");
  assert.match(warnings, /does not publish delete, truncate/);
  assert.match(warnings, /filters rows or columns of "digitaltwins"."Twin"/);
  // With FULL, PostgreSQL would take no update of a table that is published by a list of columns.
  assert.match(
    warnings,
    /Cannot set REPLICA IDENTITY FULL on "digitaltwins"."Twin": publication twins_1_pub publishes/,
  );
  await database.insertTwin("a");
  await sql`UPDATE digitaltwins."Twin" SET properties = '{"$dtId": "still possible"}'`;
  assert.match(warnings, /lacks "digitaltwins"."_ag_label_edge", "digitaltwins"."contains"/);
  assert.match(warnings, /ADD TABLE ONLY "digitaltwins"."_ag_label_edge", ONLY "digitaltwins"."contains";/);
});

Deno.test("odd names are quoted everywhere", async () => {
  await using cluster = await GraphCluster.start({ version: 18 });
  const graph = `x"; DROP TABLE t; --'`;
  const database = await cluster.database([graph]);
  const { sql } = database;
  await database.createOwner(`o"wner'`, graph);
  for (const user of ["postgres", `o"wner'`]) {
    const name = `${user === "postgres" ? "super" : "owner"}`;
    const settings = database.settings({
      user,
      slot: name,
      publication: `${name} "p'ub", x`,
      graphs: [graph],
    });
    await using follower = new StreamFollower(settings);
    await follower.connected();
    await database.insertTwin(name, graph);
    await follower.seen(`insert {"$dtId": "${name}"}`);
    const label = `la"bel' of ${name}`;
    await sql.begin(async (transaction) => {
      await transaction`SET LOCAL ROLE ${sql(`o"wner'`)}`;
      await transaction`CREATE TABLE ${sql(graph)}.${sql(label)} () INHERITS (${
        sql(graph)
      }._ag_label_vertex)`;
    });
    const isPublished = async () =>
      (await sql`SELECT FROM pg_publication_tables t JOIN pg_class c ON c.relname = t.tablename
        WHERE pubname = ${settings.publication} AND tablename = ${label} AND relreplident = 'f'`).length ===
        1;
    await follower.until(isPublished, () => "the new label");
  }
});
