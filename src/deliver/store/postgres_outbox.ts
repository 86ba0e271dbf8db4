import type { Lsn } from "../../postgres/lsn.ts";
import type { Sql, TransactionSql } from "../../postgres/connection/sql.ts";
import { structuredJson } from "../../sink/encode.ts";
import { readStoredEvent } from "../stored_event.ts";
import type { Outbox, OutboxRange, OutboxTotals, ParkedEvent } from "./outbox.ts";
import { durably } from "./durably.ts";
import type { PostgresAccess } from "./postgres_store.ts";

/** The outbox in the table `digitaltwins_eventing.outbox`. */
export class PostgresOutbox implements Outbox {
  readonly #access: PostgresAccess;

  constructor(access: PostgresAccess) {
    this.#access = access;
  }

  async totals(sink: string, after: number): Promise<OutboxTotals> {
    const { slot } = this.#access;
    const totals = await this.#access.read(async (sql) => {
      const [row] = await sql<OutboxTotals[]>`
        SELECT count(*)::float8 AS events, coalesce(sum(bytes), 0)::float8 AS bytes,
          count(*) FILTER (WHERE number > ${after})::float8 AS unread, coalesce(max(number), 0)::float8 AS newest
        FROM digitaltwins_eventing.outbox WHERE slot = ${slot} AND sink = ${sink}`;
      return row;
    });
    return totals ?? { events: 0, bytes: 0, unread: 0, newest: 0 };
  }

  async park(sink: string, events: readonly ParkedEvent[]): Promise<Lsn | undefined> {
    const { slot } = this.#access;
    return await this.#access.record((sql) => insert(sql, slot, sink, events));
  }

  async page(
    sink: string,
    { after, upTo, maxEvents, maxBytes }: OutboxRange,
  ): Promise<readonly ParkedEvent[]> {
    const { slot } = this.#access;
    return await this.#access.read(async (sql) => {
      const rows = await sql<OutboxRow[]>`
        SELECT number::float8 AS number, route, graph, committed_at, parked_at, bytes, event
        FROM (
          SELECT next.*, row_number() OVER so_far AS place, sum(bytes) OVER so_far AS total
          FROM (
            SELECT * FROM digitaltwins_eventing.outbox
            WHERE slot = ${slot} AND sink = ${sink} AND number > ${after} AND number <= ${upTo}
            ORDER BY number LIMIT ${maxEvents}
          ) next
          WINDOW so_far AS (ORDER BY number)
        ) counted
        WHERE place = 1 OR total <= ${maxBytes} ORDER BY number`;
      return rows.map(({ committed_at, parked_at, event, ...row }) => ({
        ...row,
        committedAt: committed_at,
        parkedAt: parked_at,
        event: readStoredEvent(event),
      }));
    }) ?? [];
  }

  async forget(sink: string, numbers: readonly number[]): Promise<void> {
    const { slot } = this.#access;
    await this.#access.write((sql) => remove(sql, slot, sink, numbers));
  }

  async replace(sink: string, numbers: readonly number[], by: readonly ParkedEvent[]): Promise<void> {
    const { slot } = this.#access;
    await this.#access.write((sql) =>
      sql.begin(async (sql) => {
        await remove(sql, slot, sink, numbers);
        await insert(sql, slot, sink, by);
      })
    );
  }
}

async function insert(
  sql: Sql | TransactionSql,
  slot: string,
  sink: string,
  events: readonly ParkedEvent[],
): Promise<void> {
  const rows = events.map(({ event: _, ...row }) => row);
  // Inside of JSON all quotes of an event would be escaped, at a cost, and for some to more than V8 can hold. Each is one line.
  const lines = events.map(({ event }) => structuredJson(event)).join("\n");
  await sql`
    INSERT INTO digitaltwins_eventing.outbox
      (slot, sink, number, route, graph, committed_at, parked_at, bytes, event)
    SELECT ${slot}, ${sink}, parked.*
    FROM ROWS FROM (
      json_to_recordset(${JSON.stringify(rows)}::text::json) AS (
        number bigint, route text, graph text, "committedAt" float8, "parkedAt" float8, bytes int
      ),
      unnest(string_to_array(${lines}, E'\\n'))
    ) AS parked
    WHERE ${durably(sql)}
    ON CONFLICT DO NOTHING`;
}

async function remove(
  sql: Sql | TransactionSql,
  slot: string,
  sink: string,
  numbers: readonly number[],
): Promise<void> {
  // An array is looked up in the index, number by number; for `IN (SELECT …)` all that the sink has there is read.
  await sql`
    DELETE FROM digitaltwins_eventing.outbox
    WHERE slot = ${slot} AND sink = ${sink} AND number = ANY (ARRAY(
      SELECT value::bigint FROM json_array_elements_text(${JSON.stringify(numbers)}::text::json)))`;
}

interface OutboxRow {
  number: number;
  route: string;
  graph: string;
  committed_at: number;
  parked_at: number;
  bytes: number;
  event: string;
}
