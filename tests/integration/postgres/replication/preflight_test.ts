import assert from "node:assert/strict";
import postgres from "postgres";
import { startPostgres } from "../../../../demo/embedded_postgres.ts";
import type { Finding } from "../../../../src/postgres/replication/finding.ts";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import type { ReplicationSettings } from "../../../../src/postgres/replication/replication_settings.ts";
import { startReplication } from "../../../../src/postgres/replication/replication_session.ts";
import { checkSource } from "../../../../src/postgres/replication/check_source.ts";
import { GraphCluster, type GraphDatabase } from "../../../support/graph_cluster.ts";
import { StreamFollower } from "../../../support/stream_follower.ts";
import { until } from "../../../support/until.ts";

const never = new AbortController().signal;

/** What `check` says: `fatal slot`, with all its words to be looked at. */
async function check(settings: ReplicationSettings): Promise<{ kinds: string[]; words: string }> {
  const findings: readonly Finding[] = await checkSource(settings, never);
  return {
    kinds: findings.map(({ severity, about }) => `${severity} ${about}`),
    words: findings.map(({ problem, remedy }) => `${problem}. ${remedy}`).join("\n"),
  };
}

/** What a start ends with. */
async function refusal(settings: ReplicationSettings): Promise<string> {
  await using follower = new StreamFollower(settings);
  await until(() => follower.failure !== undefined, "the end of the stream");
  return String(follower.failure);
}

async function count({ sql }: GraphDatabase): Promise<{ slots: number; publications: number }> {
  const slots = await sql`SELECT FROM pg_replication_slots`;
  return { slots: slots.length, publications: (await sql`SELECT FROM pg_publication`).length };
}

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: check finds nothing amiss where a start would make all that is missing, and makes nothing`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    assert.deepEqual((await check(database.settings())).kinds, []);
    assert.deepEqual(await count(database), { slots: 0, publications: 0 });
  });

  Deno.test(`PostgreSQL ${version}: slots that cannot be used are named, with what to do`, async () => {
    await using cluster = await GraphCluster.start({ version, settings: { max_replication_slots: "3" } });
    const database = await cluster.database();
    const elsewhere = await cluster.database();
    const { sql } = database;
    await sql`SELECT pg_create_physical_replication_slot('physical')`;
    await sql`SELECT pg_create_logical_replication_slot('foreign_plugin', 'test_decoding')`;
    await elsewhere.sql`SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')`;
    await sql.unsafe(
      `CREATE PUBLICATION ${database.settings().publication} FOR TABLES IN SCHEMA digitaltwins`,
    );

    const words = async (slot: string) => (await check(database.settings({ slot }))).words;
    assert.match(await words("physical"), /Cannot use slot physical: it is a physical slot/);
    assert.match(await words("foreign_plugin"), /its plugin is test_decoding, not pgoutput/);
    assert.match(await words("foreign_plugin"), /SELECT pg_drop_replication_slot\('foreign_plugin'\);/);
    assert.match(
      await words("elsewhere"),
      new RegExp(`it belongs to database ${elsewhere.name}, not ${database.name}`),
    );
    assert.match(
      await words("one_more"),
      /Cannot create slot one_more: all 3 slots are in use \(max_replication_slots\)/,
    );
    assert.match(await refusal(database.settings({ slot: "elsewhere" })), /it belongs to database/);
  });

  Deno.test(`PostgreSQL ${version}: a slot that the server has given up is fatal`, async () => {
    const settings = { max_slot_wal_keep_size: "1MB", min_wal_size: "32MB", max_wal_size: "32MB" };
    await using cluster = await GraphCluster.start({ version, settings });
    const database = await cluster.database();
    const { sql } = database;
    {
      await using follower = new StreamFollower(database.settings());
      await follower.connected();
    }
    await until(async () => {
      await sql`SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'noise', repeat('x', 1000000))`;
      await sql`CHECKPOINT`;
      return (await sql`SELECT FROM pg_replication_slots WHERE wal_status = 'lost'`).length === 1;
    }, "the slot to be given up");
    const { kinds, words } = await check(database.settings());
    assert.deepEqual(kinds, ["fatal slot"]);
    assert.match(words, /the server has given it up \(wal_removed\)/);
    assert.match(words, /pg_drop_replication_slot/);
    assert.match(await refusal(database.settings()), /given it up/);
  });

  Deno.test(`PostgreSQL ${version}: a slot without its publication is fatal, and the publication is not made`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    const settings = database.settings();
    await database.sql`SELECT pg_create_logical_replication_slot(${settings.slot}, 'pgoutput')`;
    const { kinds, words } = await check(settings);
    assert.deepEqual(kinds, ["fatal publication"]);
    assert.match(words, /publication .* does not exist/);
    assert.match(words, /comes too late for what the slot holds/);
    assert.match(await refusal(settings), /comes too late/);
    assert.deepEqual(await count(database), { slots: 1, publications: 0 });
  });
}

Deno.test("wal_level = replica is fatal, and says what to set", async () => {
  await using cluster = await GraphCluster.start({ settings: { wal_level: "replica" } });
  const database = await cluster.database();
  const { kinds, words } = await check(database.settings());
  assert.deepEqual(kinds, ["fatal server"]);
  assert.match(words, /wal_level is replica\. Set wal_level = logical and restart PostgreSQL/);
  assert.match(await refusal(database.settings()), /wal_level = logical/);
  assert.deepEqual(await count(database), { slots: 0, publications: 0 });
});

Deno.test("check names who streams from the slot, and a graph that is not there", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const settings = database.settings({ graphs: ["digitaltwins", "digitaltwin"] });
  await using follower = new StreamFollower(settings);
  await follower.connected();
  const { kinds, words } = await check(settings);
  assert.deepEqual(kinds, ["warning graphs", "transient slot"]);
  assert.match(words, /Cannot find graph digitaltwin: database \w+ has digitaltwins\./);
  assert.match(words, /Cannot stream from slot \w+: process \d+ \("twinrouter" from 127\.0\.0\.1\) does/);
  assert.equal(follower.log.matching(/Cannot find graph digitaltwin:/).length, 1, "a start says it too");
});

Deno.test("without free replication connections a start waits for one", async () => {
  await using cluster = await GraphCluster.start({ settings: { max_wal_senders: "1" } });
  const database = await cluster.database();
  const settings = database.settings();
  const occupant = database.settings({ slot: "occupied" });
  await database.sql.unsafe(`CREATE PUBLICATION ${settings.publication} FOR TABLES IN SCHEMA digitaltwins`);
  await database.sql`SELECT pg_create_logical_replication_slot('occupied', 'pgoutput')`;
  const other = await openConnection(occupant.connection, { replication: "database" }, never);
  const copy = await other.copyBoth(startReplication(occupant, 0n, other.serverVersion), never);
  assert.match((await check(settings)).words, /all 1 replication connections are in use \(max_wal_senders\)/);
  await using follower = new StreamFollower(settings);
  await follower.logged(/^warn Replication is down.*max_wal_senders/);
  await copy.end(never);
  await other[Symbol.asyncDispose]();
  await follower.connected();
});

Deno.test("a database without AGE is said to be one, and waited for", async () => {
  await using server = await startPostgres();
  const connection = {
    hosts: [{ host: server.host, port: server.port }],
    database: "postgres",
    user: "postgres",
    sslMode: "disable",
    channelBinding: "disable",
    targetSessionAttrs: "any",
    connectTimeout: 3_000,
    applicationName: "twinrouter",
  } as const;
  const settings = { connection, slot: "age_slot", publication: "age_pub", failover: true };
  const { kinds, words } = await check(settings);
  assert.deepEqual(kinds, ["transient graphs"]);
  assert.match(words, /database postgres has no Apache AGE/);
  await using follower = new StreamFollower(settings);
  await follower.logged(/^warn Replication is down.*CREATE EXTENSION age/);
  const sql = postgres(server.connectionString, { onnotice: () => {} });
  try {
    const { createAgeShape } = await import("../../../../demo/age_shape.ts");
    await createAgeShape(sql);
    await follower.connected();
  } finally {
    await sql.end({ timeout: 1 });
  }
});
