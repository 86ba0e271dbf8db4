import { setTimeout as delay } from "node:timers/promises";
import { openConnection } from "./postgres/connection/open_connection.ts";
import { openSql, type Sql } from "./postgres/connection/sql.ts";
import { formatLsn } from "./postgres/lsn.ts";
import { readSlot } from "./postgres/replication/slot.ts";
import { endOnAbort } from "./postgres/connection/end_on_abort.ts";
import type { ReplicationSettings } from "./postgres/replication/replication_settings.ts";
import { writeSnapshotMessage } from "./postgres/snapshot/snapshot_message.ts";
import { SnapshotStore } from "./postgres/snapshot/snapshot_store.ts";
import { Filter } from "./route/filter/filter.ts";
import { SnapshotRestrictions } from "./route/snapshot_restrictions.ts";
import type { Setup } from "./setup.ts";

/** How often the progress is looked at, in milliseconds. */
const INTERVAL = 1_000;

export interface SnapshotWish {
  /** The only sink that gets it; absent for all. */
  readonly sink?: string;
  /** Of its events, which ones; absent for all. */
  readonly filter?: string;
  /** Whether to stay until it is delivered. */
  readonly wait: boolean;
}

/**
 * Leaves a request for a snapshot in the WAL, for the router that has the slot, whether it runs now or later, and says how it
 * goes in lines for people.
 * @throws {FilterError} for a filter that does not parse
 */
export async function* requestSnapshot(
  { replication, sinks }: Pick<Setup, "replication" | "sinks">,
  { wait, ...wish }: SnapshotWish,
  signal: AbortSignal,
): AsyncGenerator<string> {
  if (wish.filter !== undefined) new Filter(wish.filter);
  const refusal = new SnapshotRestrictions(sinks.map(({ name }) => name)).refusal(wish);
  if (refusal !== undefined) throw new Error(`Cannot ask for a snapshot: ${refusal}`);
  await using sql = await openWritable(replication, signal);
  using _ = endOnAbort(sql, signal);
  const { slot } = replication;
  const state = await readSlot(sql, slot);
  if (!state) {
    throw new Error(
      `Cannot ask for a snapshot: there is no slot ${slot}, which a router makes when it starts; ` +
        "with source.snapshot: initial it then begins with a snapshot by itself",
    );
  }
  const id = crypto.randomUUID();
  const lsn = await writeSnapshotMessage(sql, { kind: "request", slot, id, ...wish });
  yield `Snapshot ${id} is asked for at ${formatLsn(lsn)}`;
  if (state.activePid === undefined) {
    yield `Nobody streams from slot ${slot} now: it begins when a router does`;
  }
  if (wait) yield* progressOf(sql, slot, id, signal);
}

async function openWritable(
  { connection }: ReplicationSettings,
  signal: AbortSignal,
): Promise<Sql & AsyncDisposable> {
  await using first = await openConnection({ ...connection, targetSessionAttrs: "read-write" }, {}, signal);
  return openSql(connection, { pin: first.address, max: 1 });
}

async function* progressOf(sql: Sql, slot: string, id: string, signal: AbortSignal): AsyncGenerator<string> {
  const store = new SnapshotStore(sql, slot);
  for (let last = "";;) {
    const progress = await store.progressOf(id);
    if (progress) {
      const { rows, label, isFinished } = progress;
      const line = isFinished
        ? `Delivered: ${rows} twins, relationships and models`
        : `${rows} delivered${label === undefined ? "" : `, now in ${label}`}`;
      if (line !== last) yield line;
      if (isFinished) return;
      last = line;
    }
    await delay(INTERVAL, undefined, { signal });
  }
}
