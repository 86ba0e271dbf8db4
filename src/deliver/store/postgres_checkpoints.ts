import { parseLsn } from "../../postgres/lsn.ts";
import type { Checkpoints, LoadedCheckpoints, SinkCheckpoint } from "./checkpoints.ts";
import type { PostgresAccess } from "./postgres_store.ts";

/** Checkpoints in the table `digitaltwins_eventing.checkpoints`. */
export class PostgresCheckpoints implements Checkpoints {
  readonly #access: PostgresAccess;

  constructor(access: PostgresAccess) {
    this.#access = access;
  }

  async save(checkpoints: readonly SinkCheckpoint[]): Promise<void> {
    const { slot } = this.#access;
    await this.#access.write(async (sql) => {
      await sql`
        INSERT INTO digitaltwins_eventing.checkpoints (slot, sink, system_identifier, timeline, sequence, last, saved_at)
        SELECT ${slot}, sink, "systemIdentifier", timeline, sequence, last, now()
        FROM json_to_recordset(${JSON.stringify(checkpoints)}::text::json) AS new (
          sink text, "systemIdentifier" text, timeline int, sequence text, last text
        )
        ON CONFLICT (slot, sink) DO UPDATE SET system_identifier = excluded.system_identifier,
          timeline = excluded.timeline, sequence = excluded.sequence, last = excluded.last, saved_at = now()`;
    });
  }

  async load(): Promise<LoadedCheckpoints> {
    const { slot } = this.#access;
    const loaded = await this.#access.read(async (sql) => {
      const checkpoints = await sql<SinkCheckpoint[]>`
        SELECT sink, system_identifier AS "systemIdentifier", timeline, sequence, last
        FROM digitaltwins_eventing.checkpoints WHERE slot = ${slot}`;
      const [row] = await sql<{ lsn: string }[]>`SELECT pg_current_wal_flush_lsn()::text AS lsn`;
      return { checkpoints: [...checkpoints], lsn: parseLsn(row?.lsn ?? "") };
    });
    return loaded ?? { checkpoints: [] };
  }
}
