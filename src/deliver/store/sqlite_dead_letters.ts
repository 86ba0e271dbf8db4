import { structuredJson } from "../../sink/encode.ts";
import type { DeadLetter } from "../dead_letter.ts";
import {
  type DeadLetterShelf,
  type LetterQuery,
  PAGE_BYTES,
  type StoredLetter,
} from "./dead_letter_shelf.ts";
import { inTransaction, type SqliteAccess } from "./sqlite_store.ts";

/** Dead letters in a SQLite file. */
export class SqliteDeadLetters implements DeadLetterShelf {
  readonly #access: SqliteAccess;

  constructor(access: SqliteAccess) {
    this.#access = access;
  }

  async write(letters: readonly DeadLetter[]): Promise<undefined> {
    const { slot } = this.#access;
    await this.#access.use((database) =>
      inTransaction(database, () => {
        const insert = database.prepare(`
          INSERT INTO dead_letter_queue
            (slot, sink, route, reason, kind, attempts, first_time, last_time, graph, event)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
        const update = database.prepare(`
          UPDATE dead_letter_queue
          SET status = 'pending', reason = ?, kind = ?, attempts = attempts + ?, last_time = ? WHERE id = ?`);
        for (const letter of letters) {
          const { sink, route, reason, kind, attempts, firstTime, lastTime, event, replayOf } = letter;
          if (replayOf !== undefined) update.run(reason, kind, attempts, lastTime, replayOf);
          else {
            insert.run(
              slot,
              sink,
              route,
              reason,
              kind,
              attempts,
              firstTime,
              lastTime,
              event.graph ?? null,
              structuredJson(event),
            );
          }
        }
      })
    );
  }

  async page(query: LetterQuery, after: number, limit: number): Promise<readonly StoredLetter[]> {
    const { ids = null, sink = null, since = null, status = null } = query;
    const { slot } = this.#access;
    return await this.#access.use((database) => {
      const rows = database.prepare(`
        SELECT id, sink, route, reason, kind, attempts, first_time, last_time, status, graph, event
        FROM dead_letter_queue
        WHERE id > :after AND slot = :slot
          AND (:sink IS NULL OR sink = :sink) AND (:status IS NULL OR status = :status)
          AND (:since IS NULL OR last_time >= :since)
          AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
        ORDER BY id LIMIT :limit`).iterate({
        after,
        slot,
        sink,
        status,
        since,
        ids: ids && JSON.stringify(ids),
        limit,
      });
      let length = 0;
      const read: LetterRow[] = [];
      for (const row of rows as Iterable<unknown> as Iterable<LetterRow>) {
        if ((length += row.event.length) > PAGE_BYTES && read.length > 0) break;
        read.push(row);
      }
      return read.map(({ first_time, last_time, graph, ...row }) => ({
        ...row,
        graph: graph ?? undefined,
        firstTime: first_time,
        lastTime: last_time,
      }));
    });
  }

  async sinksToReplay(): Promise<readonly string[]> {
    const { slot } = this.#access;
    return await this.#access.use((database) => {
      const rows = database.prepare(
        "SELECT DISTINCT sink FROM dead_letter_queue WHERE status = 'replay' AND slot = ?",
      ).all(slot);
      return rows.map((row) => String(row["sink"]));
    });
  }

  replay(ids: readonly number[]): Promise<number> {
    return this.#change("UPDATE dead_letter_queue SET status = 'replay'", ids);
  }

  drop(ids: readonly number[]): Promise<number> {
    return this.#change("DELETE FROM dead_letter_queue", ids);
  }

  async #change(what: string, ids: readonly number[]): Promise<number> {
    const { slot } = this.#access;
    return await this.#access.use((database) => {
      const sql = `${what} WHERE slot = ? AND id IN (SELECT value FROM json_each(?))`;
      return Number(database.prepare(sql).run(slot, JSON.stringify(ids)).changes);
    });
  }
}

interface LetterRow {
  id: number;
  sink: string;
  route: string;
  reason: string;
  kind: string;
  attempts: number;
  first_time: number;
  last_time: number;
  status: string;
  graph: string | null;
  event: string;
}
