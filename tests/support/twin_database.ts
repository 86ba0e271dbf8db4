import postgres, { type Sql } from "postgres";
import { createAgeShape, createEdgeLabel, createGraph, createVertexLabel } from "../../demo/age_shape.ts";
import { type PostgresOptions, type PostgresServer, startPostgres } from "../../demo/embedded_postgres.ts";
import { until } from "./until.ts";

/** A real PostgreSQL that holds the graph `digitaltwins` with the labels `Twin`, `Model` and `contains`. */
export class TwinDatabase implements AsyncDisposable {
  readonly server: PostgresServer;
  readonly sql: Sql;

  private constructor(server: PostgresServer, sql: Sql) {
    this.server = server;
    this.sql = sql;
  }

  static async open(options: PostgresOptions = {}): Promise<TwinDatabase> {
    const server = await startPostgres(options);
    const sql = postgres(server.connectionString, { max: 2, onnotice: () => {} });
    const database = new TwinDatabase(server, sql);
    try {
      await createAgeShape(sql);
      await createGraph(sql, "digitaltwins");
      await createVertexLabel(sql, "digitaltwins", "Twin");
      await createVertexLabel(sql, "digitaltwins", "Model");
      await createEdgeLabel(sql, "digitaltwins", "contains");
      return database;
    } catch (error) {
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Resolves once the router's slot has confirmed everything that is written now. */
  async untilConfirmed(timeoutMs = 120_000): Promise<void> {
    const [written] = await this.sql<{ lsn: string }[]>`SELECT pg_current_wal_lsn()::text AS lsn`;
    const lsn = written?.lsn ?? "";
    await until(
      async () => {
        const slots = await this.sql<{ confirmed: boolean }[]>`
        SELECT confirmed_flush_lsn >= ${lsn}::pg_lsn AS confirmed FROM pg_replication_slots
        WHERE slot_type = 'logical'`;
        return slots.length > 0 && slots.every(({ confirmed }) => confirmed);
      },
      `the slot to confirm ${lsn}`,
      timeoutMs,
    );
  }

  /** Resolves once the router has made its store, which it does beside everything else. */
  async untilStoreIsThere(): Promise<void> {
    await until(async () => {
      const [table] = await this
        .sql`SELECT to_regclass('digitaltwins_eventing.checkpoints') IS NOT NULL AS exists`;
      return table?.exists;
    }, "the router's tables");
  }

  /** Resolves once the server has heard from the router twice from now on: what may be confirmed now then is. */
  async untilStatusUpdate(): Promise<void> {
    for (let times = 0; times < 2; times++) {
      const [now] = await this.sql`SELECT clock_timestamp()::text AS time`;
      await until(async () => {
        const heard = await this.sql`
          SELECT FROM pg_stat_replication WHERE reply_time > ${now?.time}::timestamptz`;
        return heard.length > 0;
      }, "a status update of the router");
    }
  }

  /** Ends the connection that the router streams on, once it has one. */
  async endStream(): Promise<void> {
    await until(async () => {
      const ended = await this.sql`
        SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active`;
      return ended.length > 0;
    }, "a stream to end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
    await this.server[Symbol.asyncDispose]();
  }
}
