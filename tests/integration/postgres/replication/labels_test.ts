import assert from "node:assert/strict";
import { createEdgeLabel, createGraph, createVertexLabel } from "../../../../demo/age_shape.ts";
import { GraphCluster, type GraphDatabase } from "../../../support/graph_cluster.ts";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import { setReplicaIdentity } from "../../../../src/postgres/replication/replica_identity.ts";
import { StreamFollower } from "../../../support/stream_follower.ts";
import { until } from "../../../support/until.ts";

async function identityOf({ sql }: GraphDatabase, label: string, graph = "digitaltwins"): Promise<string> {
  const [row] = await sql`SELECT relreplident AS identity FROM pg_class
    WHERE relname = ${label} AND relnamespace = ${graph}::regnamespace`;
  return row?.identity;
}

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: labels and graphs that are born later are followed, from their first row on`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    const { sql } = database;
    await using follower = new StreamFollower(database.settings());
    await follower.connected();

    for (const label of ["Room", "Floor"]) {
      await createVertexLabel(sql, "digitaltwins", label);
      await sql`INSERT INTO digitaltwins.${
        sql(label)
      } (properties) VALUES (${`{"$dtId": "first of ${label}"}`})`;
      await follower.seen(`insert {"$dtId": "first of ${label}"}`);
      // Sooner than the watch looks unasked, which it does every 15 s: the stream has told of the label.
      await until(async () => await identityOf(database, label) === "f", "the label's identity", 10_000);
    }

    await createGraph(sql, "second");
    await createVertexLabel(sql, "second", "Twin");
    await until(async () => await identityOf(database, "Twin", "second") === "f", "the graph's identity");
    const isPublished = async () =>
      (await sql`SELECT FROM pg_publication_namespace WHERE pnnspid = 'second'::regnamespace`).length === 1;
    await until(isPublished, "the graph in the publication");
    await database.insertTwin("in the second", "second");
    await follower.seen('insert {"$dtId": "in the second"}');
    assert.deepEqual(follower.log.matching(/^(warn|error)/), []);
  });
}

Deno.test("only the graphs that are listed are published, one that is born later too", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database(["wanted", "unwanted"]);
  const { sql } = database;
  const settings = database.settings({ graphs: ["wanted", "later"] });
  await using follower = new StreamFollower(settings);
  await follower.connected();
  const schemas = async () => {
    const rows =
      await sql`SELECT pnnspid::regnamespace::text AS name FROM pg_publication_namespace ORDER BY 1`;
    return rows.map(({ name }) => name);
  };
  assert.deepEqual(await schemas(), ["wanted"]);
  assert.equal(await identityOf(database, "Twin", "unwanted"), "d");
  await createGraph(sql, "other");
  await createGraph(sql, "later");
  await until(async () => (await schemas()).length > 1, "the graph in the publication");
  assert.deepEqual(await schemas(), ["later", "wanted"]);
});

Deno.test("a label that a transaction holds is left alone, named, and its writers hardly wait", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const { sql } = database;
  const settings = database.settings();
  await sql.unsafe(`CREATE PUBLICATION ${settings.publication} FOR TABLES IN SCHEMA digitaltwins`);
  await sql`SELECT pg_create_logical_replication_slot(${settings.slot}, 'pgoutput')`;
  const held = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const transaction = sql.begin(async (holder) => {
    await holder`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "held"}')`;
    held.resolve();
    await done.promise;
  });
  await held.promise;
  await using follower = new StreamFollower(settings);
  await follower.connected();
  assert.equal(await identityOf(database, "Twin"), "d");
  assert.equal(await identityOf(database, "contains"), "f", "the others are done");
  assert.equal(
    follower.log.matching(
      /^warn Cannot set REPLICA IDENTITY FULL on "digitaltwins"."Twin": a transaction holds it/,
    ).length,
    1,
  );
  let isWritten = false;
  const writing = database.insertTwin("beside").then(() => isWritten = true);
  await until(() => isWritten, "the writer, who is not to wait for the other transaction");
  await writing;
  done.resolve();
  await transaction;
});

Deno.test("an edge label without a replica identity of its own is given one before it is published", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  await database.createOwner("owner");
  await createEdgeLabel(database.sql, "digitaltwins", "serves");
  await database.sql`ALTER TABLE digitaltwins.serves OWNER TO owner`;
  await using follower = new StreamFollower(database.settings({ user: "owner" }));
  await follower.connected();
  assert.equal(await identityOf(database, "serves"), "f");
  await database
    .sql`INSERT INTO digitaltwins.serves (start_id, end_id, properties) VALUES ('1', '2', '{"n": 1}')`;
  await database.sql`UPDATE digitaltwins.serves SET properties = '{"n": 2}'`;
  await follower.seen('update {"n": 2} before {"n": 1}');
});

Deno.test("a session that is lost while it waits for a label fails its statement, and no more", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const { sql } = database;
  await using own = openSql(database.settings().connection);
  const table = {
    schema: "digitaltwins",
    name: "Twin",
    identity: "default",
    hasPrimaryKey: false,
    owned: true,
    columnListIn: undefined,
  } as const;
  await sql.begin(async (holder) => {
    await holder`LOCK TABLE digitaltwins."Twin"`;
    const lost = assert.rejects(setReplicaIdentity(own, table), { code: "57P01" });
    await until(async () => {
      const ended = await sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
      return ended.length > 0;
    }, "the session to wait");
    await lost;
  });
  assert.deepEqual(await setReplicaIdentity(own, table), { kind: "set" });
  assert.equal(await identityOf(database, "Twin"), "f");
  const [setting] = await own`SHOW lock_timeout`;
  assert.equal(setting?.lock_timeout, "0");
});
