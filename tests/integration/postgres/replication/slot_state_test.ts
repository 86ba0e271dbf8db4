import assert from "node:assert/strict";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import type { Sql } from "../../../../src/postgres/connection/sql.ts";
import { parseLsn } from "../../../../src/postgres/lsn.ts";
import { readSlotState } from "../../../../src/postgres/replication/slot.ts";
import { GraphCluster } from "../../../support/graph_cluster.ts";

async function safeWalEnd(sql: Sql): Promise<bigint | undefined> {
  return (await readSlotState(sql, "age_slot"))?.safeWalEnd;
}

async function lsn(sql: Sql, expression: string): Promise<bigint> {
  const [row] = await sql.unsafe<{ lsn: string }[]>(`SELECT (${expression})::text AS lsn`);
  return parseLsn(row?.lsn ?? "0/0");
}

Deno.test("WAL is safe as far as every standby has it, and all of it without one", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const { sql } = database;
  const written = await lsn(sql, "pg_logical_emit_message(true, 'noise', 'text')");
  assert((await safeWalEnd(sql) ?? -1n) >= written, "nobody can lose it");

  await sql`SELECT pg_create_physical_replication_slot('never_used')`;
  assert.equal(await safeWalEnd(sql), 0n);
  await sql`SELECT pg_drop_replication_slot('never_used')`;

  await sql`SELECT pg_create_physical_replication_slot('behind', true)`;
  const reserved = await lsn(
    sql,
    "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'behind'",
  );
  await sql`SELECT pg_logical_emit_message(true, 'noise', 'text')`;
  assert.equal(await safeWalEnd(sql), reserved);
  await sql`SELECT pg_drop_replication_slot('behind')`;

  await sql`SELECT pg_create_logical_replication_slot('logical', 'pgoutput')`; // is no standby's
  const now = await lsn(sql, "pg_logical_emit_message(true, 'noise', 'text')");
  assert((await safeWalEnd(sql) ?? -1n) >= now);

  await using walsender = await openConnection(
    database.settings().connection,
    { replication: "true" },
    AbortSignal.timeout(30_000),
  );
  await walsender.copyBoth("START_REPLICATION PHYSICAL 0/1000000");
  assert.equal(await safeWalEnd(sql), 0n, "it has not said what it has");
});
