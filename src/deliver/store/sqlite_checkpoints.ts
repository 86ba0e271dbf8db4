import type { Checkpoints, LoadedCheckpoints, SinkCheckpoint } from "./checkpoints.ts";
import { inTransaction, type SqliteAccess } from "./sqlite_store.ts";

/** Checkpoints in a SQLite file. */
export class SqliteCheckpoints implements Checkpoints {
  readonly #access: SqliteAccess;

  constructor(access: SqliteAccess) {
    this.#access = access;
  }

  async save(checkpoints: readonly SinkCheckpoint[]): Promise<void> {
    const { slot } = this.#access;
    await this.#access.use((database) =>
      inTransaction(database, () => {
        const upsert = database.prepare(`
          INSERT OR REPLACE INTO checkpoints (slot, sink, system_identifier, timeline, sequence, last)
          VALUES (?, ?, ?, ?, ?, ?)`);
        for (const { sink, systemIdentifier, timeline, sequence, last } of checkpoints) {
          upsert.run(slot, sink, systemIdentifier, timeline, sequence, last);
        }
      })
    );
  }

  async load(): Promise<LoadedCheckpoints> {
    const { slot } = this.#access;
    return await this.#access.use((database) => {
      const rows = database.prepare(`
        SELECT sink, system_identifier AS systemIdentifier, timeline, sequence, last
        FROM checkpoints WHERE slot = ?`).all(slot);
      return { checkpoints: rows.map((row) => ({ ...row as unknown as SinkCheckpoint })) };
    });
  }
}
