import { createHash } from "node:crypto";
import type { Sql } from "../../postgres/connection/sql.ts";
import { sqlState } from "../../postgres/connection/sql_state.ts";
import type { Lsn } from "../../postgres/lsn.ts";
import type { CloudEvent } from "../../event/cloud_event.ts";
import { structuredJson } from "../../sink/encode.ts";
import type { DeadLetter } from "../dead_letter.ts";
import {
  type DeadLetterShelf,
  type LetterQuery,
  PAGE_BYTES,
  type StoredLetter,
} from "./dead_letter_shelf.ts";
import { durably } from "./durably.ts";
import type { PostgresAccess } from "./postgres_store.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Dead letters in the table that AgeDigitalTwins' users know, `digitaltwins_eventing.dead_letter_queue`. */
export class PostgresDeadLetters implements DeadLetterShelf {
  readonly #access: PostgresAccess;
  /** They may be there all the same: writing them has failed. */
  readonly #unsure = new WeakSet<DeadLetter>();
  /** What was there before anything was written here. */
  #newestBefore: number | undefined;

  constructor(access: PostgresAccess) {
    this.#access = access;
  }

  async write(letters: readonly DeadLetter[]): Promise<Lsn> {
    const { slot } = this.#access;
    const unsure = letters.filter((letter) => this.#unsure.has(letter));
    try {
      return await this.#access.record(async (sql) => {
        const newestBefore = this.#newestBefore ??= await findNewest(sql);
        const written = unsure.length > 0
          ? await findWritten(sql, slot, newestBefore, unsure)
          : new Set<DeadLetter>();
        const missing = letters.filter((letter) => !written.has(letter));
        try {
          await insert(sql, slot, missing.map((letter) => rowOf(letter, payloadOf)));
        } catch (error) {
          if (!sqlState(error)?.startsWith("22")) throw error;
          // Not everything that is JSON is jsonb.
          await insert(sql, slot, missing.map((letter) => rowOf(letter, harmlessPayloadOf)));
        }
      });
    } catch (error) {
      for (const letter of letters) this.#unsure.add(letter);
      throw error;
    }
  }

  async page(query: LetterQuery, after: number, limit: number): Promise<readonly StoredLetter[]> {
    const { ids, sink, since, status } = query;
    const { slot } = this.#access;
    return await this.#access.read(async (sql) => {
      const rows = await sql<LetterRow[]>`
        WITH found AS (
          SELECT id, sum(coalesce(octet_length(event), 0)) OVER so_far AS total, row_number() OVER so_far AS place
          FROM (
            SELECT id, event FROM digitaltwins_eventing.dead_letter_queue
            WHERE id > ${after} AND (slot = ${slot} OR slot IS NULL)
              ${sink === undefined ? sql`` : sql`AND sink_name = ${sink}`}
              ${status === undefined ? sql`` : sql`AND status = ${status}`}
              ${
        since === undefined
          ? sql``
          : sql`AND coalesce(last_attempt_at, failed_at) >= to_timestamp(${since / 1000}::float8)`
      }
              ${ids === undefined ? sql`` : sql`AND id IN (${listed(sql, ids)})`}
            ORDER BY id LIMIT ${limit}
          ) next
          WINDOW so_far AS (ORDER BY id)
        )
        SELECT id, sink_name AS sink, route, error_message AS reason, error_kind AS kind, retry_count AS attempts,
          extract(epoch FROM coalesce(first_attempt_at, failed_at))::float8 * 1000 AS first_time,
          extract(epoch FROM coalesce(last_attempt_at, failed_at))::float8 * 1000 AS last_time,
          coalesce(status, 'pending') AS status, graph, event
        FROM digitaltwins_eventing.dead_letter_queue JOIN found USING (id)
        WHERE place = 1 OR total <= ${PAGE_BYTES} ORDER BY id`;
      return rows.map(letterOf);
    }) ?? [];
  }

  async sinksToReplay(): Promise<readonly string[]> {
    const { slot } = this.#access;
    return await this.#access.read(async (sql) => {
      const rows = await sql<{ sink: string }[]>`
        SELECT DISTINCT sink_name AS sink FROM digitaltwins_eventing.dead_letter_queue
        WHERE status = 'replay' AND slot = ${slot}`;
      return rows.map(({ sink }) => sink);
    }) ?? [];
  }

  async replay(ids: readonly number[]): Promise<number> {
    const { slot } = this.#access;
    return await this.#access.write(async (sql) => {
      const { count } = await sql`
        UPDATE digitaltwins_eventing.dead_letter_queue SET status = 'replay'
        WHERE id IN (${listed(sql, ids)}) AND slot = ${slot} AND event IS NOT NULL`;
      return count;
    });
  }

  async drop(ids: readonly number[]): Promise<number> {
    const { slot } = this.#access;
    return await this.#access.write(async (sql) => {
      const { count } = await sql`
        DELETE FROM digitaltwins_eventing.dead_letter_queue
        WHERE id IN (${listed(sql, ids)}) AND (slot = ${slot} OR slot IS NULL)`;
      return count;
    });
  }
}

function listed(sql: Sql, ids: readonly number[]) {
  return sql`SELECT value::int FROM json_array_elements_text(${JSON.stringify(ids)}::text::json)`;
}

async function findNewest(sql: Sql): Promise<number> {
  const [row] = await sql<{ newest: number }[]>`
    SELECT coalesce(max(id), 0)::float8 AS newest FROM digitaltwins_eventing.dead_letter_queue`;
  return row?.newest ?? 0;
}

/** Which of these are there, behind the newest from before. */
async function findWritten(sql: Sql, slot: string, newestBefore: number, letters: readonly DeadLetter[]) {
  const wanted = letters.map(({ sink, route, firstTime, lastTime, replayOf, event }, place) => ({
    ...{ place, sink, route, event_id: eventIdOf(event), first_time: firstTime, last_time: lastTime },
    hash: hashOf(event),
    is_new: replayOf === undefined,
  }));
  const rows = await sql<{ place: number }[]>`
    SELECT place FROM digitaltwins_eventing.dead_letter_queue q
    JOIN json_to_recordset(${JSON.stringify(wanted)}::text::json) AS letter (
      place int, sink text, route text, event_id uuid, first_time float8, last_time float8, hash text, is_new bool
    ) ON q.sink_name = sink AND q.route = letter.route AND q.event_id = letter.event_id
      AND first_attempt_at = to_timestamp(first_time / 1000) AND last_attempt_at = to_timestamp(last_time / 1000)
    WHERE q.id > ${newestBefore} AND slot = ${slot} AND is_new AND md5(q.event) = hash`;
  return new Set(rows.flatMap(({ place }) => letters[place] ?? []));
}

async function insert(sql: Sql, slot: string, rows: readonly Row[]): Promise<void> {
  // By itself, because inside of JSON all quotes of a large event would be escaped, which may be more than V8 can hold.
  const [alone] = rows.length === 1 ? rows : [];
  const inJson = alone ? [{ ...alone, event: null }] : rows;
  await sql`
    WITH letters AS (
      SELECT letter.*, coalesce(event, ${alone?.event ?? null}::text) AS whole
      FROM json_to_recordset(${JSON.stringify(inJson)}::text::json) AS letter (
        replay_of int, event_id uuid, sink text, route text, type text, payload text, reason text, kind text,
        attempts int, first_time float8, last_time float8, graph text, event text)
      WHERE ${durably(sql)}
    ), again AS (
      UPDATE digitaltwins_eventing.dead_letter_queue q
      SET status = 'pending', error_message = reason, error_kind = letters.kind,
        retry_count = coalesce(retry_count, 0) + attempts, last_attempt_at = to_timestamp(last_time / 1000)
      FROM letters WHERE q.id = replay_of
    )
    INSERT INTO digitaltwins_eventing.dead_letter_queue (event_id, sink_name, event_type, payload, error_message,
      retry_count, failed_at, last_attempt_at, status, slot, route, error_kind, first_attempt_at, graph, event)
    SELECT event_id, sink, type, payload::jsonb, reason, attempts, now(),
      to_timestamp(last_time / 1000), 'pending', ${slot}, route, kind, to_timestamp(first_time / 1000), graph, whole
    FROM letters WHERE replay_of IS NULL`;
}

type Row = ReturnType<typeof rowOf>;

function rowOf(letter: DeadLetter, payload: (letter: DeadLetter) => string) {
  const { event, sink, route, reason, kind, attempts, firstTime, lastTime, replayOf = null } = letter;
  return {
    replay_of: replayOf,
    event_id: eventIdOf(event),
    sink,
    route,
    type: withoutNul(event.type),
    payload: payload(letter),
    reason: withoutNul(reason),
    kind,
    attempts,
    first_time: firstTime,
    last_time: lastTime,
    graph: event.graph ?? null,
    event: structuredJson(event),
  };
}

/** Of telemetry the id may be anything. */
function eventIdOf(event: CloudEvent): string {
  return UUID.test(event.id) ? event.id : hashOf(event);
}

function hashOf(event: CloudEvent): string {
  return createHash("md5").update(structuredJson(event)).digest("hex");
}

/** Of a larger body, in UTF-16 code units, the payload says nothing: jsonb takes no more than 256 MiB. */
const LARGEST_PAYLOAD = 8 * 1024 * 1024;

/** As AgeDigitalTwins writes it; the whole event, to the letter, is in the column `event`. */
function payloadOf({ event: { id, type, source, subject, time, data } }: DeadLetter): string {
  if (data.length > LARGEST_PAYLOAD) return JSON.stringify({ id, type, source, subject, time, data: null });
  return `${JSON.stringify({ id, type, source, subject, time }).slice(0, -1)},"data":${data}}`;
}

/** With the body as text, and without what jsonb does not take. */
function harmlessPayloadOf({ event: { id, type, source, subject, time, data } }: DeadLetter): string {
  return JSON.stringify({
    id,
    type,
    source,
    subject,
    time,
    data: data.length > LARGEST_PAYLOAD ? null : data,
  })
    .replaceAll(/\\u0000|\\ud[89a-f][0-9a-f]{2}/gi, "\\ufffd");
}

function withoutNul(text: string): string {
  return text.replaceAll("\0", "\ufffd");
}

interface LetterRow {
  id: number;
  sink: string;
  route: string | null;
  reason: string | null;
  kind: string | null;
  attempts: number | null;
  first_time: number;
  last_time: number;
  status: string;
  graph: string | null;
  event: string | null;
}

function letterOf(row: LetterRow): StoredLetter {
  return {
    id: row.id,
    sink: row.sink,
    route: row.route ?? undefined,
    reason: row.reason ?? "",
    kind: row.kind ?? undefined,
    attempts: row.attempts ?? 0,
    firstTime: row.first_time,
    lastTime: row.last_time,
    status: row.status,
    graph: row.graph ?? undefined,
    event: row.event ?? undefined,
  };
}
