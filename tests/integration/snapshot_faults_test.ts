import assert from "node:assert/strict";
import postgres from "postgres";
import { writeSnapshotMessage } from "../../src/postgres/snapshot/snapshot_message.ts";
import { makeEventingTables } from "../../src/postgres/eventing_schema.ts";
import { STORE_STATEMENTS } from "../../src/postgres/snapshot/snapshot_store.ts";
import type { Notification } from "../support/graph_replica.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";

function oneFile(database: TwinDatabase, folder: string, snapshot: string) {
  return {
    source: { connectionString: database.server.connectionString, snapshot },
    eventSinks: { file: [{ name: "One", path: `${folder}/One.ndjson` }] },
  };
}

async function told(folder: string): Promise<string[]> {
  const text = await Deno.readTextFile(`${folder}/One.ndjson`).catch(() => "");
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const { type, subject, snapshot }: Notification = JSON.parse(line);
    return `${type.split(".").slice(2).join(".")} ${subject}${snapshot === true ? " (snapshot)" : ""}`;
  });
}

async function untilTold(folder: string, wanted: string): Promise<void> {
  await until(async () => (await told(folder)).includes(wanted), `${wanted} to be told`);
}

async function makeStore({ sql }: TwinDatabase): Promise<void> {
  await makeEventingTables(sql, STORE_STATEMENTS);
}

async function insert({ sql }: TwinDatabase, id: string): Promise<void> {
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "${id}"}`})`;
}

function request({ sql }: TwinDatabase, id: string): Promise<bigint> {
  return writeSnapshotMessage(sql, { kind: "request", slot: "age_slot", id });
}

/** Holds a table's strongest lock until it is disposed of. */
async function lock(database: TwinDatabase, table: string): Promise<AsyncDisposable> {
  const sql = postgres(database.server.connectionString, { max: 1, onnotice: () => {} });
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const ended = sql.begin(async (transaction) => {
    await transaction.unsafe(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    held.resolve();
    await release.promise;
  });
  await Promise.race([held.promise, ended]);
  return {
    async [Symbol.asyncDispose]() {
      release.resolve();
      await ended;
      await sql.end();
    },
  };
}

/** The router's sessions that wait for a lock. */
async function untilWaitingForLock({ sql }: TwinDatabase): Promise<void> {
  await until(async () => {
    const waiting = await sql`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
    return waiting.length > 0;
  }, "the router to wait for a lock");
}

async function finished({ sql }: TwinDatabase): Promise<number> {
  const rows = await sql`SELECT FROM digitaltwins_eventing.snapshots WHERE finished_at IS NOT NULL`;
  return rows.length;
}

async function stopInTime(router: RouterProcess): Promise<void> {
  const late = setTimeout(() => void router.kill(), 15_000);
  const code = await router.stop();
  clearTimeout(late);
  assert.equal(code, 0, await router.output);
}

Deno.test("a locked store holds up neither the stream nor the end, and loses no request", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await makeStore(database);
  const configuration = oneFile(database, folder.path, "never");
  {
    await using router = await RouterProcess.start(folder.path, configuration);
    await router.untilReadyIs(200);
    await using _ = await lock(database, "digitaltwins_eventing.snapshots");
    await request(database, "s");
    await untilWaitingForLock(database);
    await insert(database, "a");
    await untilTold(folder.path, "Twin.Create a");
    await stopInTime(router);
  }
  await using router = await RouterProcess.start(folder.path, configuration);
  await untilTold(folder.path, "Twin.Create a (snapshot)");
  await until(async () => await finished(database) === 1, "the snapshot to be delivered");
  assert.equal(await router.stop(), 0);
});

Deno.test("a router whose store is locked when it makes its slot can be stopped", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await makeStore(database);
  await using _ = await lock(database, "digitaltwins_eventing.snapshots");
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
  await untilWaitingForLock(database);
  await stopInTime(router);
});

Deno.test("a label that is locked holds up a snapshot, and nothing else", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await insert(database, "a");
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "never"));
  await router.untilReadyIs(200);
  {
    await using _ = await lock(database, `digitaltwins."Twin"`);
    await request(database, "s");
    await untilWaitingForLock(database);
    await database.sql`INSERT INTO digitaltwins."Model" (properties) VALUES ('{"id": "dtmi:tank;1"}')`;
    await untilTold(folder.path, "Model.Create dtmi:tank;1");
  }
  await untilTold(folder.path, "Twin.Create a (snapshot)");
  await stopInTime(router);
});

Deno.test("a request is served although the session that should keep it is lost, and the stream is not", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  await makeStore(database);
  await insert(database, "a");
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "never"));
  await router.untilReadyIs(200);
  {
    await using _ = await lock(database, "digitaltwins_eventing.snapshots");
    await request(database, "s");
    await untilWaitingForLock(database);
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
  }
  await untilTold(folder.path, "Twin.Create a (snapshot)");
  await until(async () => await finished(database) === 1, "the snapshot to be delivered");
  assert.equal(await router.stop(), 0);
  assert.doesNotMatch(await router.output, /Replication is interrupted/);
});

Deno.test("a request that comes again when its snapshot is delivered is not served again", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await insert(database, "a");
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
  await untilTold(folder.path, "Twin.Create a (snapshot)");
  await until(async () => await finished(database) === 1, "the first snapshot to be delivered");
  await request(database, "s");
  await until(async () => await finished(database) === 2, "snapshot s to be delivered");
  await request(database, "s");
  await request(database, "t");
  await until(async () => await finished(database) === 3, "snapshot t to be delivered");
  assert.equal(await router.stop(), 0);
  // The first one, s and t.
  assert.deepEqual(await told(folder.path), Array(3).fill("Twin.Create a (snapshot)"));
});

Deno.test("tables like labels that cannot be replicated are no part of a snapshot", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await insert(database, "a");
  await using sessions = new AsyncDisposableStack();
  const session = postgres(database.server.connectionString, { max: 1 });
  sessions.defer(() => session.end());
  await session`CREATE TEMP TABLE copied AS SELECT * FROM digitaltwins."Twin"`;
  await session`CREATE UNLOGGED TABLE fleeting AS SELECT * FROM digitaltwins."Twin"`;
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
  await untilTold(folder.path, "Twin.Create a (snapshot)");
  await until(async () => await finished(database) === 1, "the snapshot to be delivered");
  assert.equal(await router.stop(), 0);
  assert.deepEqual(await told(folder.path), ["Twin.Create a (snapshot)"]);
});

/** Twins that make so many chunks. */
async function fill({ sql }: TwinDatabase, chunks: number): Promise<void> {
  await sql`
    INSERT INTO digitaltwins."Twin" (properties)
    SELECT jsonb_build_object('$dtId', n::text)::text::ag_catalog.agtype FROM generate_series(1, ${
    chunks * 2_000
  }::int) n`;
}

/** Waits until some of a snapshot is told and kept. */
async function untilUnderWay({ sql }: TwinDatabase): Promise<void> {
  await until(async () => {
    const [table] = await sql`SELECT to_regclass('digitaltwins_eventing.snapshots') AS name`;
    if (!table?.name) return false;
    return (await sql`SELECT FROM digitaltwins_eventing.snapshots WHERE rows > 0`).length > 0;
  }, "the snapshot to be under way");
}

Deno.test("a store that takes nothing any more is said once, and what was told is kept when it does", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  await fill(database, 20);
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
  await untilUnderWay(database);
  await sql`ALTER TABLE digitaltwins_eventing.snapshots RENAME TO elsewhere`;
  await untilTold(folder.path, "Twin.Create 40000 (snapshot)");
  await insert(database, "a");
  await untilTold(folder.path, "Twin.Create a");
  await sql`ALTER TABLE digitaltwins_eventing.elsewhere RENAME TO snapshots`;
  await until(async () => await finished(database) === 1, "the snapshot to be kept as delivered");
  await stopInTime(router);
  assert.equal((await router.output).match(/Cannot keep how far/g)?.length, 1);
  assert.equal((await told(folder.path)).length, 40_001);
});

Deno.test("a label that is truncated or dropped in the middle of its snapshot ends there", async () => {
  for (const statement of ["TRUNCATE", "DROP TABLE"]) {
    await using database = await TwinDatabase.open();
    await using folder = await TemporaryFolder.make();
    const { sql } = database;
    await fill(database, 20);
    await sql`
      INSERT INTO digitaltwins.contains (start_id, end_id, properties)
      VALUES ('1', '2', '{"$relationshipId": "r", "$sourceId": "b", "$targetId": "a"}')`;
    await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
    await untilUnderWay(database);
    await sql.unsafe(`${statement} digitaltwins."Twin"`);
    await until(async () => await finished(database) === 1, "the snapshot to be delivered");
    await stopInTime(router);
    const events = await told(folder.path);
    assert.equal(events.at(-1), "Relationship.Create b/relationships/r (snapshot)");
    const gap = events.findIndex((event) => event.startsWith("Router.Gap"));
    assert.equal(gap >= 0, statement === "TRUNCATE");
    if (gap >= 0) assert.equal(events.slice(gap).filter((event) => event.startsWith("Twin")).length, 0);
  }
});

Deno.test("a router that is stopped and started again and again tells all of a snapshot", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await fill(database, 20);
  const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
  const random = new SeededRandom(seed);
  for (let stops = 0; stops < 4; stops++) {
    await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
    const target = random.below(40_000 / (5 - stops));
    await until(
      async () => (await router.metric("twinrouter_snapshot_rows_total").catch(() => 0) ?? 0) >= target,
      `${target} rows`,
    );
    await stopInTime(router);
  }
  await using router = await RouterProcess.start(folder.path, oneFile(database, folder.path, "initial"));
  await until(async () => await finished(database) === 1, "the snapshot to be delivered");
  await stopInTime(router);
  assert.equal(new Set(await told(folder.path)).size, 40_000, `seed ${seed}`);
});
