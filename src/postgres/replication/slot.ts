import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../../observe/log.ts";
import { type Lsn, parseLsn } from "../lsn.ts";
import { quoteString } from "../connection/quote.ts";
import { sqlState } from "../connection/sql_state.ts";
import type { Sql } from "../connection/sql.ts";

/** Between two looks at a slot that somebody else has, in milliseconds: a router that takes over comes so late at most. */
const LONGEST_WAIT = 1_000;

/** What a look may take. */
const ANSWER_TIMEOUT = 10_000;

/** A replication slot as `pg_replication_slots` shows it. */
export interface Slot {
  readonly name: string;
  /** Undefined for a physical slot. */
  readonly plugin?: string;
  readonly database?: string;
  /** The server process that streams from it, when one does. */
  readonly activePid?: number;
  /** What was written before it, the server sends no more. */
  readonly confirmedFlushLsn?: Lsn;
  readonly restartLsn?: Lsn;
  /** `reserved`, `extended`, `unreserved` (its WAL may go at the next checkpoint) or `lost`. */
  readonly walStatus?: string;
  /** Why it can never be used again, once that is so. */
  readonly invalidationReason?: string;
  /** Bytes of WAL that may still be written before it is in danger of being lost, where there is a limit. */
  readonly safeWalSize?: number;
  /** Whether it is kept on standbys; undefined before PostgreSQL 17. */
  readonly failover?: boolean;
}

/** How far the server is, and how the slot stands, at one moment. */
export interface SlotState {
  /** How far the server has written its WAL. */
  readonly walEnd: Lsn;
  /** What is before this survives the server: it is on disk, and no standby lacks it. Undefined where it is not known. */
  readonly safeWalEnd: Lsn | undefined;
  /** Undefined if there is none. */
  readonly slot: Slot | undefined;
}

/** How a slot is made. */
export interface SlotOptions {
  /** Whether it is kept on standbys. */
  readonly failover: boolean;
  readonly log: Log;
  /** SQL that comes before it, and writes nothing. */
  readonly before?: readonly string[];
  /** SQL that follows at once. */
  readonly after?: readonly string[];
}

/** Undefined if there is no such slot. */
export async function readSlot(sql: Sql, name: string): Promise<Slot | undefined> {
  // As JSON, because columns differ by version: invalidation_reason and failover came with 17, conflicting with 16.
  const [row] = await sql<{ slot: SlotRow }[]>`
    SELECT to_jsonb(s) AS slot FROM pg_replication_slots s WHERE slot_name = ${name}`;
  return row && slotOf(name, row.slot);
}

/** Undefined if the server has no answer. */
export async function readSlotState(sql: Sql, name: string): Promise<SlotState | undefined> {
  // A standby has a physical slot, which stands where its disk is, or at least a walsender. Whose walsender that is, the
  // server tells not everybody, nor then how far it is.
  const [row] = await sql<{ lsn: string | null; safe: string | null; slot: SlotRow | null }[]>`
    SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn,
      (CASE WHEN NOT pg_is_in_recovery() THEN least(
        pg_current_wal_flush_lsn(),
        (SELECT min(coalesce(restart_lsn, '0/0')) FROM pg_replication_slots WHERE slot_type = 'physical'),
        (SELECT min(coalesce(flush_lsn, '0/0')) FROM pg_stat_replication r
          WHERE coalesce(state, 'streaming') IN ('streaming', 'catchup')
            AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid))
      ) END)::text AS safe,
      (SELECT to_jsonb(s) FROM pg_replication_slots s WHERE slot_name = ${name}) AS slot`;
  return row && {
    walEnd: parseLsn(row.lsn ?? "0/0"),
    safeWalEnd: row.safe ? parseLsn(row.safe) : undefined,
    slot: row.slot ? slotOf(name, row.slot) : undefined,
  };
}

function slotOf(name: string, slot: SlotRow): Slot {
  const invalidationReason = slot.invalidation_reason ??
    (slot.wal_status === "lost" ? "wal_removed" : slot.conflicting ? "conflict with recovery" : null);
  return {
    name,
    ...(slot.plugin === null ? {} : { plugin: slot.plugin }),
    ...(slot.database === null ? {} : { database: slot.database }),
    ...(slot.active_pid === null ? {} : { activePid: slot.active_pid }),
    ...(slot.confirmed_flush_lsn === null ? {} : { confirmedFlushLsn: parseLsn(slot.confirmed_flush_lsn) }),
    ...(slot.restart_lsn === null ? {} : { restartLsn: parseLsn(slot.restart_lsn) }),
    ...(slot.wal_status === null ? {} : { walStatus: slot.wal_status }),
    ...(invalidationReason === null ? {} : { invalidationReason }),
    ...(slot.safe_wal_size === null ? {} : { safeWalSize: slot.safe_wal_size }),
    ...(slot.failover === undefined ? {} : { failover: slot.failover }),
  };
}

/**
 * Creates a logical slot for pgoutput. From here on the server keeps every change for it; earlier ones it never sends.
 * Waits for every transaction that is open now, which is how PostgreSQL finds a point to start from. After an abort the
 * server is told to make none; `sql` is ended then.
 */
export async function createSlot(
  sql: Sql,
  name: string,
  options: SlotOptions,
  signal: AbortSignal,
): Promise<void> {
  const { before = [], after = [], failover } = options;
  const create = `SELECT pg_create_logical_replication_slot(${quoteString(name)}, 'pgoutput'${
    failover ? ", failover => true" : ""
  })`;
  // In one message: whatever becomes of this process, the server does all of it.
  const query = sql.unsafe([...before, create, ...after].join("; ")).execute();
  const warning = setTimeout(
    () => options.log.warn("The new slot waits for transactions that were open before it", { slot: name }),
    5_000,
  );
  // A connection that is merely closed goes on waiting, and leaves a slot that nobody reads.
  const cancel = () => {
    query.cancel();
    void sql.end();
  };
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await query;
  } catch (error) {
    // Another router was faster, and waited for the same transactions.
    if (sqlState(error) !== "42710") throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
    clearTimeout(warning);
  }
}

/**
 * Resolves when nobody streams from the slot; `START_REPLICATION` may still lose a race for it. Calls `onWait` once, and
 * only if the slot is not free soon, as it is when the server has yet to see that an earlier connection is gone. A server
 * that does not answer is waited for no longer than 10 s: then it throws.
 */
export async function waitForSlot(
  sql: Sql,
  name: string,
  onWait: (user: SlotUser) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let look = 0;; look++) {
    const user = await answered(readSlotUser(sql, name), `who streams from slot ${name}`);
    if (user === undefined) return;
    if (look === 1) onWait(user);
    await delay(Math.min(250 * 1.5 ** look, LONGEST_WAIT), undefined, { signal });
  }
}

/** On a connection to a host that is gone a query may wait for ever. */
async function answered<Answer>(query: Promise<Answer>, question: string): Promise<Answer> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`Cannot ask ${question}: no answer`)), ANSWER_TIMEOUT);
  try {
    return await Promise.race([query, late.promise]);
  } finally {
    clearTimeout(timer);
    query.catch(() => {});
  }
}

/** Who streams from a slot. */
export interface SlotUser {
  /** The server's process that serves it. */
  readonly pid: number;
  /** For people: `process 4711 ("twinrouter" from 10.0.0.7)`. */
  readonly description: string;
}

export async function readSlotUser(sql: Sql, name: string): Promise<SlotUser | undefined> {
  const [row] = await sql<{ pid: number; application: string | null; address: string | null }[]>`
    SELECT s.active_pid AS pid, r.application_name AS application, host(r.client_addr) AS address
    FROM pg_replication_slots s
    LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
    WHERE s.slot_name = ${name} AND s.active`;
  if (!row) return undefined;
  // Without pg_monitor the server names its own processes only.
  const details = [row.application && `"${row.application}"`, row.address && `from ${row.address}`].filter(
    Boolean,
  );
  const description = `process ${row.pid}${details.length > 0 ? ` (${details.join(" ")})` : ""}`;
  return { pid: row.pid, description };
}

interface SlotRow {
  plugin: string | null;
  database: string | null;
  active_pid: number | null;
  confirmed_flush_lsn: string | null;
  restart_lsn: string | null;
  wal_status: string | null;
  safe_wal_size: number | null;
  conflicting?: boolean | null;
  invalidation_reason?: string | null;
  failover?: boolean;
}
