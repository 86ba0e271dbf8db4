import assert from "node:assert/strict";
import { createVertexLabel } from "../../../../demo/age_shape.ts";
import { PreflightError } from "../../../../src/postgres/replication/finding.ts";
import { ReplicationStream } from "../../../../src/postgres/replication/replication_stream.ts";
import type { ReplicationSettings } from "../../../../src/postgres/replication/replication_settings.ts";
import { Metrics } from "../../../../src/observe/metrics.ts";
import { GraphCluster } from "../../../support/graph_cluster.ts";
import { LogRecorder } from "../../../support/log_recorder.ts";
import { StreamFollower } from "../../../support/stream_follower.ts";

/** What ends the stream before it begins. */
async function refusal(settings: ReplicationSettings): Promise<PreflightError> {
  await using stream = new ReplicationStream(settings, { metrics: new Metrics(), log: new LogRecorder() });
  try {
    await stream.messages(new AbortController().signal).next();
  } catch (error) {
    if (error instanceof PreflightError) return error;
    throw error;
  }
  throw new Error("The stream has begun");
}

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: who owns the graph gets a list of tables, kept current as labels appear`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    const { sql } = database;
    await database.createOwner("owner");
    const settings = database.settings({ user: "owner" });
    await using follower = new StreamFollower(settings);
    await follower.connected();
    const published = async () => {
      const rows =
        await sql`SELECT tablename FROM pg_publication_tables WHERE pubname = ${settings.publication} ORDER BY 1`;
      return rows.map(({ tablename }) => tablename);
    };
    assert.deepEqual(await published(), ["Twin", "_ag_label_edge", "_ag_label_vertex", "contains"]);
    assert.equal((await sql`SELECT FROM pg_publication_namespace`).length, 0);
    await database.insertTwin("a");
    await follower.seen('insert {"$dtId": "a"}');

    // A label that the router cannot have seen coming: its first row is written with it.
    await sql.begin(async (transaction) => {
      await transaction`SET LOCAL ROLE owner`;
      await transaction`CREATE TABLE digitaltwins."Room" () INHERITS (digitaltwins._ag_label_vertex)`;
      await transaction`INSERT INTO digitaltwins."Room" (id, properties) VALUES ('1', '{"$dtId": "unseen"}')`;
    });
    await follower.until(
      async () => (await published()).includes("Room"),
      () => "the new label in the publication",
    );
    await follower.logged(/^warn "digitaltwins"."Room" had rows before publication/);
    await sql`UPDATE digitaltwins."Room" SET properties = '{"$dtId": "unseen", "n": 1}'`;
    await follower.seen('update {"$dtId": "unseen", "n": 1} before {"$dtId": "unseen"}');

    // One that it may not touch is named, with what to run; once.
    await createVertexLabel(sql, "digitaltwins", "Foreign");
    await follower.logged(/^warn Cannot set REPLICA IDENTITY FULL on "digitaltwins"."Foreign"/);
    await follower.logged(/ALTER PUBLICATION ".*" ADD TABLE ONLY "digitaltwins"."Foreign";/);
    assert.equal(follower.log.matching(/Foreign/).length, 2);
  });
}

Deno.test("a role that may do nothing but replicate is told the exact SQL, which is enough", async () => {
  await using cluster = await GraphCluster.start({ version: 18 });
  const database = await cluster.database();
  const { sql } = database;
  await database.createRole("reader", "REPLICATION");
  await sql`CREATE SCHEMA digitaltwins_eventing`; // which AgeDigitalTwins makes for itself
  const settings = database.settings({ user: "reader" });
  const error = await refusal(settings);
  assert.match(
    error.message,
    /Cannot create publication .*: role reader has no CREATE privilege on the database/,
  );
  assert.equal((await sql`SELECT FROM pg_replication_slots`).length, 0, "no slot without its publication");

  const [, statements] = /Run as a superuser:\n([\s\S]*)/.exec(error.message) ?? [];
  await sql.unsafe(statements ?? "");
  await using follower = new StreamFollower(settings);
  await follower.connected();
  assert.deepEqual(follower.log.matching(/^warn/), []);
  await database.insertTwin("a");
  await sql`UPDATE digitaltwins."Twin" SET properties = '{"$dtId": "a", "n": 1}'`;
  await follower.seen('update {"$dtId": "a", "n": 1} before {"$dtId": "a"}');
  await createVertexLabel(sql, "digitaltwins", "Room");
  await sql`INSERT INTO digitaltwins."Room" (properties) VALUES ('{"$dtId": "b"}')`;
  await follower.seen('insert {"$dtId": "b"}');
});

Deno.test("a role that owns only a part of the labels is told which are missing", async () => {
  await using cluster = await GraphCluster.start({ version: 15 });
  const database = await cluster.database();
  await database.createOwner("owner");
  await createVertexLabel(database.sql, "digitaltwins", "Foreign");
  const { message } = await refusal(database.settings({ user: "owner" }));
  assert.match(message, /role owner does not own "digitaltwins"."Foreign"\./);
});

Deno.test("a role without REPLICATION is told how to get it", async () => {
  await using cluster = await GraphCluster.start({ version: 15 });
  const database = await cluster.database();
  await database.createRole("nobody");
  const { message } = await refusal(database.settings({ user: "nobody" }));
  assert.match(message, /Cannot replicate: role nobody has no REPLICATION attribute/);
  assert.match(message, /ALTER ROLE "nobody" REPLICATION;/);
  assert.match(message, /rds_replication/);
});
