import postgres, { type Sql } from "postgres";
import { sendSignal } from "../../demo/postgres/processes.ts";
import { STANDBY, StandbyServer } from "./standby_server.ts";
import type { TwinDatabase } from "./twin_database.ts";
import { until } from "./until.ts";

/** A standby for which no commit waits, and that falls behind and takes over slots when a test says so. */
export class LaggingStandby implements AsyncDisposable {
  /** On the standby. */
  readonly sql: Sql;
  readonly #primary: TwinDatabase;
  readonly #standby: StandbyServer;

  private constructor(primary: TwinDatabase, standby: StandbyServer) {
    this.#primary = primary;
    this.#standby = standby;
    this.sql = postgres(standby.server.connectionString, { max: 1, onnotice: () => {} });
  }

  /** The primary, which has the slot, is stopped meanwhile. */
  static async of(primary: TwinDatabase, port: number): Promise<LaggingStandby> {
    const standby = await StandbyServer.of(primary.server, port, { sync_replication_slots: "off" });
    return new LaggingStandby(primary, standby);
  }

  /** Has it keep the primary's logical slot, too, as that is now. */
  async syncSlot(): Promise<void> {
    await until(async () => {
      // A slot begins to be kept where the server has noted which transactions run.
      await this.#primary.sql`SELECT pg_log_standby_snapshot()`;
      // A position that the standby has not reached is an error.
      await this.sql`SELECT pg_sync_replication_slots()`.catch(() => {});
      const slots = await this.sql`SELECT FROM pg_replication_slots WHERE synced AND NOT temporary`;
      return slots.length > 0;
    }, "the slot on the standby");
    await this.sql`SELECT pg_sync_replication_slots()`;
  }

  /** From now on it gets no WAL. */
  async holdBack(): Promise<void> {
    const [sender] = await this.#primary.sql<{ pid: number | null }[]>`
      SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = ${STANDBY}`;
    if (!sender?.pid) throw new Error("Cannot hold back WAL: the standby is not connected");
    sendSignal(sender.pid, "SIGSTOP");
  }

  /** Kills the primary, and takes its place. */
  async takeOver(): Promise<void> {
    await this.#primary.server.kill("SIGKILL");
    await this.sql`SELECT pg_promote()`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
    await this.#standby[Symbol.asyncDispose]();
  }
}
