import assert from "node:assert/strict";
import { startPostgres } from "../../../../demo/embedded_postgres.ts";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import { freePort } from "../../../../demo/postgres/free_port.ts";
import { until } from "../../../support/until.ts";
import { optionsFor, password, startSecuredServer } from "./secured_server.ts";

for (const version of [15, 18] as const) {
  Deno.test(`runs SQL on PostgreSQL ${version} over a connection that is opened as all others`, async (test) => {
    await using server = await startSecuredServer(version, "server");
    const options = optionsFor(server, {
      user: "scram_user",
      password,
      sslMode: "require",
      channelBinding: "require",
    });

    await test.step("values, several at once, transactions", async () => {
      await using sql = openSql(options);
      const [row] =
        await sql`SELECT ${"it's"}::text AS text, ${7}::int AS int, NULL AS nothing, current_setting('server_version_num')::int AS version`;
      assert.deepEqual([row?.text, row?.int, row?.nothing], ["it's", 7, null]);
      assert.equal(Math.floor(row?.version / 10_000), version);
      const all = await Promise.all([1, 2, 3, 4, 5].map((each) => sql`SELECT ${each}::int AS each`));
      assert.deepEqual(all.map(([row]) => row?.each), [1, 2, 3, 4, 5]);
      await assert.rejects(
        sql.begin(async (sql) => {
          await sql`CREATE TEMPORARY TABLE t (a int)`;
          throw new Error("rolled back");
        }),
        /rolled back/,
      );
      assert.deepEqual([...await sql`SELECT to_regclass('t') AS t`], [{ t: null }]);
    });

    await test.step("the server's errors, with their SQLSTATE", async () => {
      await using sql = openSql(options);
      await assert.rejects(sql`SELECT * FROM nope`, { name: "PostgresError", code: "42P01" });
      await assert.rejects(sql`SELECT * FROM nope WHERE a = ${1}`, { name: "PostgresError", code: "42P01" });
      await assert.rejects(sql`SELECT 1 / ${0}::int`, { name: "PostgresError", code: "22012" });
      await using wrong = openSql({ ...options, password: "wrong" });
      // Again, because an attempt that failed must not be the last one.
      for (let attempt = 0; attempt < 2; attempt++) {
        await assert.rejects(wrong`SELECT 1`, { name: "ServerError", code: "28P01" });
      }
    });

    await test.step("a new connection after one was lost", async () => {
      await using sql = openSql(options, { max: 1 });
      const [before] = await sql`SELECT pg_backend_pid() AS pid`;
      await assert.rejects(sql`SELECT pg_terminate_backend(pg_backend_pid())`, { code: "57P01" });
      const [after] = await sql`SELECT pg_backend_pid() AS pid`;
      assert.notEqual(before?.pid, after?.pid);
    });

    await test.step("the cancellation of a query", async () => {
      await using sql = openSql(options, { max: 1 });
      const [{ pid } = { pid: 0 }] = await sql`SELECT pg_backend_pid() AS pid`;
      const sleep = sql`SELECT pg_sleep(1000)`.execute();
      await using observer = openSql(options, { max: 1 });
      const isSleeping = async () =>
        (await observer`SELECT FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'PgSleep'`).length >
          0;
      await until(isSleeping, "the query to run");
      sleep.cancel();
      await assert.rejects(sleep, { code: "57014" });
      assert.deepEqual([...await sql`SELECT pg_backend_pid() AS pid`], [{ pid }]);
    });

    await test.step("notifications", async () => {
      await using sql = openSql(options);
      const heard: string[] = [];
      await sql.listen("twins", (payload) => void heard.push(payload));
      await sql.notify("twins", "payload");
      await until(() => heard.length > 0, "the notification");
      assert.deepEqual(heard, ["payload"]);
    });
  });
}

Deno.test("runs SQL on the host that it is pinned to, and on the first that will do otherwise", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const dead = { host: "127.0.0.1", port: freePort() };
  const alive = { host: "127.0.0.1", port: server.port };
  const options = optionsFor(server, { hosts: [dead, alive] });
  await using anywhere = openSql(options);
  assert.deepEqual([...await anywhere`SELECT 1 AS one`], [{ one: 1 }]);
  await using there = openSql(options, { pin: alive });
  assert.deepEqual([...await there`SELECT 1 AS one`], [{ one: 1 }]);
  await using nowhere = openSql(options, { pin: dead });
  await assert.rejects(
    nowhere`SELECT 1`,
    new RegExp(`^Error: Cannot connect to 127\\.0\\.0\\.1:${dead.port}: connect ECONNREFUSED`),
  );
});

Deno.test("ends at once, whatever it was waiting for", async (test) => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const options = optionsFor(server, { connectTimeout: 3_600_000 });

  /** What it was waiting for would take longer. */
  async function ends(end: () => Promise<void>): Promise<void> {
    let isEnded = false;
    await Promise.all([end().then(() => isEnded = true), until(() => isEnded, "the end")]);
  }

  await test.step("nothing", async () => {
    const sql = openSql(options);
    await ends(() => sql.end());
    const used = openSql(options);
    await used`SELECT 1`;
    await ends(() => used.end());
    await assert.rejects(used`SELECT 1`.execute(), { code: "CONNECTION_ENDED" });
  });

  await test.step("a connection that is about to be opened", async () => {
    const sql = openSql(options);
    const failed = assert.rejects(sql`SELECT 1`.execute(), { code: "CONNECTION_DESTROYED" });
    await ends(() => sql.end({ timeout: 0 }));
    await failed;
    await using connection = await openConnection(options, {}, new AbortController().signal);
    const others = "SELECT FROM pg_stat_activity WHERE application_name = 'test' AND pid <> pg_backend_pid()";
    assert.deepEqual(await connection.query(others), []);
  });

  await test.step("a query", async () => {
    const sql = openSql(options);
    await sql`SELECT 1`;
    const failed = assert.rejects(sql`SELECT pg_sleep(1000)`.execute(), { code: "CONNECTION_DESTROYED" });
    await ends(() => sql.end({ timeout: 0 }));
    await failed;
  });

  await test.step("a connection that is never answered", async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const sql = openSql({ ...options, hosts: [{ host: "127.0.0.1", port: listener.addr.port }] });
    const failed = assert.rejects(sql`SELECT 1`.execute(), { code: "CONNECTION_DESTROYED" });
    using _client = await listener.accept();
    await ends(() => sql.end({ timeout: 0 }));
    await failed;
  });

  await test.step("a server that is frozen", async () => {
    const sql = openSql(options);
    await sql`SELECT 1`;
    await server.kill("SIGSTOP");
    const failed = assert.rejects(sql`SELECT 2`.execute(), { code: "CONNECTION_DESTROYED" });
    await ends(() => sql.end({ timeout: 0 }));
    await failed;
    await server.kill("SIGCONT");
  });

  await test.step("a server that is frozen, and has not taken all of a query", async () => {
    const sql = openSql(options);
    await sql`SELECT 1`;
    await server.kill("SIGSTOP");
    const failed = assert.rejects(sql`SELECT ${"x".repeat(32_000_000)}::text`.execute(), {
      code: "CONNECTION_DESTROYED",
    });
    await ends(() => sql.end({ timeout: 1 }));
    await failed;
    await server.kill("SIGCONT");
  });
});
