import { structuredJson } from "../../sink/encode.ts";
import { readStoredEvent } from "../stored_event.ts";
import type { Outbox, OutboxRange, OutboxTotals, ParkedEvent } from "./outbox.ts";
import { inTransaction, type SqliteAccess } from "./sqlite_store.ts";

const INSERT = `
  INSERT INTO outbox (slot, sink, number, route, graph, committed_at, parked_at, bytes, event)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`;

const REMOVE = `
  DELETE FROM outbox WHERE slot = ? AND sink = ? AND number IN (SELECT value FROM json_each(?))`;

/** The outbox in a SQLite file. */
export class SqliteOutbox implements Outbox {
  readonly #access: SqliteAccess;

  constructor(access: SqliteAccess) {
    this.#access = access;
  }

  async totals(sink: string, after: number): Promise<OutboxTotals> {
    const { slot } = this.#access;
    return await this.#access.use((database) => {
      const row = database.prepare(`
        SELECT count(*) AS events, coalesce(sum(bytes), 0) AS bytes,
          count(*) FILTER (WHERE number > ?) AS unread, coalesce(max(number), 0) AS newest
        FROM outbox WHERE slot = ? AND sink = ?`).get(after, slot, sink);
      return { ...row as unknown as OutboxTotals };
    });
  }

  async park(sink: string, events: readonly ParkedEvent[]): Promise<undefined> {
    await this.replace(sink, [], events);
  }

  async page(
    sink: string,
    { after, upTo, maxEvents, maxBytes }: OutboxRange,
  ): Promise<readonly ParkedEvent[]> {
    const { slot } = this.#access;
    return await this.#access.use((database) => {
      const rows = database.prepare(`
        SELECT number, route, graph, committed_at AS committedAt, parked_at AS parkedAt, bytes, event FROM outbox
        WHERE slot = ? AND sink = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?`)
        .all(
          slot,
          sink,
          after,
          upTo,
          maxEvents,
        ) as unknown as (Omit<ParkedEvent, "event"> & { event: string })[];
      let bytes = 0;
      const end = rows.findIndex((row, index) => (bytes += row.bytes) > maxBytes && index > 0);
      return rows.slice(0, end < 0 ? rows.length : end).map(({ event, ...row }) => ({
        ...row,
        event: readStoredEvent(event),
      }));
    });
  }

  async forget(sink: string, numbers: readonly number[]): Promise<void> {
    await this.replace(sink, numbers, []);
  }

  async replace(sink: string, numbers: readonly number[], by: readonly ParkedEvent[]): Promise<void> {
    const { slot } = this.#access;
    await this.#access.use((database) =>
      inTransaction(database, () => {
        if (numbers.length > 0) database.prepare(REMOVE).run(slot, sink, JSON.stringify(numbers));
        const insert = database.prepare(INSERT);
        for (const { number, route, graph, committedAt, parkedAt, bytes, event } of by) {
          insert.run(slot, sink, number, route, graph, committedAt, parkedAt, bytes, structuredJson(event));
        }
      })
    );
  }
}
