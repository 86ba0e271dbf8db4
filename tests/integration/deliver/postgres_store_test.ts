import assert from "node:assert/strict";
import type { ConnectionOptions } from "../../../src/postgres/connection/connection_options.ts";
import type { Sql } from "../../../src/postgres/connection/sql.ts";
import { formatLsn } from "../../../src/postgres/lsn.ts";
import { utf8Text } from "../../../src/postgres/utf8.ts";
import { StoreRefusal } from "../../../src/deliver/store/delivery_store.ts";
import type { ParkedEvent } from "../../../src/deliver/store/outbox.ts";
import { PostgresStore } from "../../../src/deliver/store/postgres_store.ts";
import { GraphCluster, type GraphDatabase } from "../../support/graph_cluster.ts";
import { routerEvent } from "../../support/router_events.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testStore } from "../../support/store_conformance.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";
import { until } from "../../support/until.ts";

let cluster: GraphCluster;
Deno.test.beforeAll(async () => void (cluster = await GraphCluster.start()));
Deno.test.afterAll(() => cluster[Symbol.asyncDispose]());

const LETTER = {
  sink: "Hook",
  route: "all",
  reason: "400",
  kind: "rejected",
  attempts: 1,
  firstTime: 0,
  lastTime: 0,
  event: routerEvent("k", 1, { id: "0191c5f8-0000-8000-8000-000000000001", data: '{"a": 22.0}' }).event,
} as const;

testStore("a store in PostgreSQL", async () => {
  const database = await cluster.database();
  return {
    open: (slot) => new PostgresStore(database.settings().connection, slot),
    [Symbol.asyncDispose]: async () => {},
  };
});

Deno.test("dead letters join those of AgeDigitalTwins in its own table, which its users read as before", async () => {
  const database = await withIncumbentsTable();
  const { sql } = database;
  await using store = new PostgresStore(database.settings().connection, "one");
  await store.deadLetters.write([LETTER]);
  assert.deepEqual(
    [
      ...await sql`
      SELECT event_id, sink_name, event_type, payload ->> 'id' AS id, payload -> 'data' ->> 'a' AS a, error_message,
        retry_count, status FROM digitaltwins_eventing.dead_letter_queue WHERE sink_name = 'Hook'`,
    ],
    [{
      event_id: LETTER.event.id,
      sink_name: "Hook",
      event_type: "Konnektr.DigitalTwins.Twin.Update",
      id: LETTER.event.id,
      a: "22.0",
      error_message: "400",
      retry_count: 1,
      status: "pending",
    }],
  );
  const all = await store.deadLetters.page({}, 0, 10);
  assert.deepEqual(
    all.map(({ reason }) => reason),
    [...THEIRS, "400"],
    "those that have no whole event, too",
  );
  const [theirs] = await store.deadLetters.page({ sink: "TestSink" }, 0, 10);
  assert.equal(theirs?.reason, THEIRS[0]);
  assert.equal(await store.deadLetters.replay([theirs?.id ?? 0]), 0, "it is not whole");
  assert.equal(await store.deadLetters.drop([theirs?.id ?? 0]), 1);
});

Deno.test("a role that may not write is told what to run, and then may", async () => {
  const database = await cluster.database();
  await database.createRole(`narrow_${database.name}`);
  const settings = database.settings({ user: `narrow_${database.name}` });
  await using store = new PostgresStore(settings.connection, "one");
  assert.deepEqual(await store.deadLetters.page({}, 0, 1), []);
  const refusal = await store.refusal();
  assert(refusal instanceof StoreRefusal);
  await assert.rejects(store.deadLetters.write([LETTER]), refusal);
  const [, statements = ""] = /run as a superuser:\n([^]*)/.exec(refusal.message) ?? [];
  await database.sql.unsafe(statements);
  await store.deadLetters.write([LETTER]);
  assert.equal((await store.deadLetters.page({}, 0, 10)).length, 1);
});

Deno.test("a store is used again after its connections were lost, and does not wait for ever", async () => {
  const database = await cluster.database();
  await using store = new PostgresStore(database.settings().connection, "one", 1_000);
  await store.deadLetters.write([LETTER]);
  await database.sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'twinrouter' AND datname = current_database()`;
  await store.deadLetters.write([LETTER]).catch(() => store.deadLetters.write([LETTER]));
  await database.sql.begin(async (sql) => {
    await sql`LOCK TABLE digitaltwins_eventing.dead_letter_queue`;
    await assert.rejects(store.deadLetters.write([LETTER]), /Cannot use the store: no answer for 1 s/);
  });
  await store.deadLetters.write([LETTER]);
});

Deno.test("what a write that was given up does is done before anything else, and none is left at the server", async () => {
  const database = await cluster.database();
  const { sql } = database;
  await using store = new PostgresStore(database.settings().connection, "one", 1_500);
  await store.prepare();
  const refused = /Cannot use the store: no answer for 1.5 s/;
  await withoutItsStandby(sql, async () => {
    await assert.rejects(store.outbox.park("Hook", [parked(1)]), refused);
    await store.outbox.park("Hook", [parked(1)]);
    assert.deepEqual(await numbers(sql), [1]);
    await assert.rejects(store.outbox.park("Hook", [parked(2)]), refused);
    await assert.rejects(store.outbox.forget("Hook", [1, 2]), refused, "it removes both, and waits for it");
    await store.outbox.forget("Hook", [1, 2]);
    assert.deepEqual(await numbers(sql), []);
  });
  await sql.begin(async (sql) => {
    await sql`LOCK TABLE digitaltwins_eventing.outbox`;
    await assert.rejects(store.outbox.park("Hook", [parked(3)]), refused);
  });
  await store.outbox.forget("Hook", [3]);
  assert.deepEqual(await numbers(sql), []);
});

Deno.test("what is written on a connection that is lost is over before what comes next", async () => {
  const database = await cluster.database();
  const { sql } = database;
  await using proxy = TcpProxy.listen(database.server.port);
  await using store = new PostgresStore(through(proxy, database), "one");
  await store.prepare();
  await withoutItsStandby(sql, async () => {
    const lost = assert.rejects(store.outbox.park("Hook", [parked(1)]));
    await until(async () => await waiting(sql) === 1, "the write to wait for its standby");
    proxy.cut();
    await lost;
    const forgotten = store.outbox.forget("Hook", [1]);
    await until(async () => await waiting(sql, "DELETE") === 1, "the removal to wait for its standby");
    assert.equal(await waiting(sql), 1, "alone");
    await sql`ALTER SYSTEM RESET synchronous_standby_names`;
    await sql`SELECT pg_reload_conf()`;
    await forgotten;
  });
  assert.deepEqual(await numbers(sql), []);
});

Deno.test("a write that comes to the server after it was given up does nothing any more", async () => {
  const database = await cluster.database();
  const { sql } = database;
  await using proxy = TcpProxy.listen(database.server.port);
  await using store = new PostgresStore(through(proxy, database), "one", 1_500);
  await store.prepare();
  const late = Promise.withResolvers<void>();
  proxy.onData = (direction, bytes) => {
    if (direction === "up" && utf8Text(bytes).includes(LETTER.event.id)) proxy.hold("up", late.promise);
  };
  await assert.rejects(store.outbox.park("Hook", [parked(1)]), /no answer/);
  proxy.hold("up", Promise.resolve()); // what is held stays so
  await store.outbox.forget("Hook", [1]);
  late.resolve();
  const sessions = async () =>
    (await sql`
      SELECT FROM pg_stat_activity WHERE application_name = 'twinrouter' AND datname = current_database()`)
      .length;
  await until(async () => await sessions() === 1, "the session that was given up to end");
  assert.deepEqual(await numbers(sql), []);
});

Deno.test("what is under way when the store is closed is there at once, or never", async () => {
  const database = await cluster.database();
  const { sql } = database;
  const store = new PostgresStore(database.settings().connection, "one");
  await store.prepare();
  await withoutItsStandby(sql, async () => {
    const cut = assert.rejects(store.outbox.park("Hook", [parked(1)]));
    await until(async () => await waiting(sql) === 1, "the write to wait for its standby");
    await store[Symbol.asyncDispose]();
    await cut;
    await until(async () => await waiting(sql) === 0, "nothing to be left at the server");
    assert.deepEqual(await numbers(sql), [1], "the next store sees it");
  });
});

Deno.test("a store that may not end sessions goes on when those that it has lost are gone", async () => {
  const database = await cluster.database();
  const { sql } = database;
  const user = `narrow_${database.name}`;
  await database.createRole(user);
  const { connection } = database.settings({ user });
  await using store = new PostgresStore(connection, "one");
  const [, statements = ""] = /superuser:\n([^]*)/.exec((await store.refusal())?.message ?? "") ?? [];
  await sql.unsafe(statements);
  await sql`REVOKE EXECUTE ON FUNCTION pg_terminate_backend FROM PUBLIC`;
  await store.outbox.park("Hook", [parked(1)]);
  await sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = ${user}`;
  await store.outbox.park("Hook", [parked(2)]).catch(() => store.outbox.park("Hook", [parked(2)]));
  assert.deepEqual(await numbers(sql), [1, 2]);
});

Deno.test("a connection that the store cannot use is closed", async () => {
  const database = await cluster.database();
  const { sql } = database;
  const user = `blind_${database.name}`;
  await database.createRole(user);
  await sql`REVOKE SELECT ON pg_stat_activity FROM PUBLIC`;
  const { connection } = database.settings({ user });
  await using store = new PostgresStore(connection, "one");
  for (let n = 0; n < 3; n++) {
    await assert.rejects(store.refusal(), /permission denied for view pg_stat_activity/);
  }
  const sessions = async () => (await sql`SELECT FROM pg_stat_activity WHERE usename = ${user}`).length;
  await until(async () => await sessions() === 0, "no session to be left");
});

Deno.test("a dead letter that was given up, and is written again, is there once", async () => {
  const database = await withIncumbentsTable();
  const { sql } = database;
  await using store = new PostgresStore(database.settings().connection, "one", 1_500);
  await store.prepare();
  const letters = [LETTER, { ...LETTER, lastTime: 1 }, {
    ...LETTER,
    event: { ...LETTER.event, id: "no UUID" },
  }];
  await withoutItsStandby(sql, async () => {
    await assert.rejects(store.deadLetters.write(letters.slice(0, 2)));
    await assert.rejects(store.deadLetters.write(letters), /no answer/, "the third is new");
    await store.deadLetters.write(letters);
  });
  assert.equal((await store.deadLetters.page({ sink: "Hook" }, 0, 10)).length, 3);
  await store.deadLetters.write([{ ...LETTER }]);
  assert.equal((await store.deadLetters.page({ sink: "Hook" }, 0, 10)).length, 4, "nobody gave this one up");
});

Deno.test("what positions rely on is on disk even where the database does without, and where the WAL has it is told", async () => {
  const database = await cluster.database();
  await database.sql.unsafe(`ALTER DATABASE ${database.name} SET synchronous_commit = off`);
  await using store = new PostgresStore(database.settings().connection, "one");
  await store.prepare();
  const random = new SeededRandom(20_261_126); // noise, which PostgreSQL cannot make smaller
  const noise = Array.from({ length: 200_000 }, () => random.below(36).toString(36)).join("");
  const { event } = routerEvent("k", 1, { data: JSON.stringify(noise) });
  const parked = { route: "all", graph: "g", committedAt: 0, parkedAt: 0, bytes: 1, event };
  const writes = [
    (_: number) => store.deadLetters.write([{ ...LETTER, event: { ...event, graph: "g" } }]),
    (number: number) => store.outbox.park("Hook", [{ number, ...parked }]),
  ];
  for (let round = 1; round <= 3; round++) {
    for (const write of writes) {
      const lsn = formatLsn(await write(round) ?? 0n);
      // The server itself notes something now and then.
      const [wal] = await database
        .sql`SELECT pg_current_wal_insert_lsn() - ${lsn}::pg_lsn < 100000 AS is_on_disk`;
      assert.equal(wal?.is_on_disk, true);
    }
  }
});

Deno.test("what leaves a large outbox is looked up, and the rest of it is not read", async () => {
  const database = await cluster.database();
  await using store = new PostgresStore(database.settings().connection, "one");
  const { event } = LETTER;
  const rest = { route: "all", graph: "moon", committedAt: 0, parkedAt: 0, bytes: 1, event };
  const numbers = Array.from({ length: 5_000 }, (_, index) => index + 1);
  await store.outbox.park("Hook", numbers.map((number) => ({ ...rest, number })));
  const read = async () => {
    const [row] = await database.sql<{ rows: number; removed: number }[]>`
      SELECT (seq_tup_read + idx_tup_fetch)::float8 AS rows, n_tup_del::float8 AS removed
      FROM pg_stat_user_tables WHERE relname = 'outbox'`;
    return row ?? { rows: NaN, removed: NaN };
  };
  const before = await read();
  await store.outbox.forget("Hook", numbers.slice(0, 100));
  await until(
    async () => (await read()).removed === 100,
    "the statistics to tell of 100 rows that were removed",
  );
  const rows = (await read()).rows - before.rows;
  assert(rows <= 200, `${rows} rows were read to remove 100`);
});

function parked(number: number): ParkedEvent {
  return { number, route: "all", graph: "g", committedAt: 0, parkedAt: 0, bytes: 7, event: LETTER.event };
}

/** Of all that is in the outbox. */
async function numbers(sql: Sql): Promise<number[]> {
  const rows = await sql<{ number: number }[]>`
    SELECT number::int FROM digitaltwins_eventing.outbox ORDER BY number`;
  return rows.map(({ number }) => number);
}

function through(proxy: TcpProxy, database: GraphDatabase): ConnectionOptions {
  return { ...database.settings().connection, hosts: [{ host: "127.0.0.1", port: proxy.port }] };
}

/** While `work` runs, every commit of the server waits for a standby that there is not. */
async function withoutItsStandby(sql: Sql, work: () => Promise<void>): Promise<void> {
  const become = async (name: string) => {
    await sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`);
    await sql`SELECT pg_reload_conf()`;
    await until(
      async () => (await sql`SHOW synchronous_standby_names`)[0]?.synchronous_standby_names === name,
      `the server to wait for '${name}'`,
    );
  };
  await become("nobody");
  try {
    await work();
    assert(await waiting(sql) <= 1, "of what was given up nothing is left");
  } finally {
    await become("");
  }
}

/** How many sessions wait for a standby with such a statement. */
async function waiting(sql: Sql, statement = ""): Promise<number> {
  const [row] = await sql<{ sessions: number }[]>`
    SELECT count(*)::int AS sessions FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND datname = current_database() AND query LIKE ${`%${statement}%`}`;
  return row?.sessions ?? NaN;
}

/** Why letters of AgeDigitalTwins failed. */
const THEIRS = ["Test failure", "Timeout", "No route to host"];

/** As AgeDigitalTwins makes it, with some of its letters. */
async function withIncumbentsTable(): Promise<GraphDatabase> {
  const database = await cluster.database();
  await database.sql.unsafe(`
    CREATE SCHEMA digitaltwins_eventing;
    CREATE TABLE digitaltwins_eventing.dead_letter_queue (
      id SERIAL PRIMARY KEY, event_id UUID NOT NULL, sink_name TEXT NOT NULL, event_type TEXT, payload JSONB NOT NULL,
      error_message TEXT, error_stack TEXT, retry_count INT DEFAULT 0, failed_at TIMESTAMPTZ DEFAULT NOW(),
      last_attempt_at TIMESTAMPTZ, status TEXT DEFAULT 'pending');
    INSERT INTO digitaltwins_eventing.dead_letter_queue (event_id, sink_name, event_type, payload, error_message)
    SELECT gen_random_uuid(), 'TestSink', 'testType', '{"id": "x"}', reason
    FROM unnest('{${THEIRS.join()}}'::text[]) reason`);
  return database;
}
