import type { Sql } from "./connection/sql.ts";

/** The schema for the router's own tables in the source's database. What is written there makes no events. */
const EVENTING_SCHEMA = "digitaltwins_eventing";

/** For whoever makes the tables by hand: before their statements. */
export const CREATE_EVENTING_SCHEMA = `CREATE SCHEMA IF NOT EXISTS ${EVENTING_SCHEMA}`;

/** Whether this role may make tables there: in the schema, or with it where there is none. */
export async function mayMakeEventingTables(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ may: boolean }]>`
    SELECT coalesce(
      (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = ${EVENTING_SCHEMA}),
      has_database_privilege(current_database(), 'CREATE')) AS may`;
  return row.may;
}

/**
 * Runs statements that make tables there, after the one for the schema: all or none, and nobody waits behind them for
 * long. An existing schema is enough: PostgreSQL would ask for the right to make one even if it is there.
 */
export async function makeEventingTables(sql: Sql, statements: readonly string[]): Promise<void> {
  const [schema] = await sql`SELECT FROM pg_namespace WHERE nspname = ${EVENTING_SCHEMA}`;
  // In one message, which is one transaction: postgres.js' own cannot be rolled back once the connection is lost.
  const all = ["SET LOCAL lock_timeout = '1s'", ...(schema ? [] : [CREATE_EVENTING_SCHEMA]), ...statements];
  await sql.unsafe(all.join(";\n"));
}
