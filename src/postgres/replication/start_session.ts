import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../../observe/log.ts";
import { endOnAbort } from "../connection/end_on_abort.ts";
import { sqlState } from "../connection/sql_state.ts";
import type { Liveness, LivenessTimings } from "./liveness.ts";
import type { ReplicationProgress } from "./replication_progress.ts";
import { ReplicationSession } from "./replication_session.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { readSlot, type SlotUser, waitForSlot } from "./slot.ts";
import { type Moment, thisMoment } from "./slot_lease.ts";
import type { Source } from "./source.ts";

/** What the server says when somebody else has the slot (object_in_use). */
const OBJECT_IN_USE = "55006";

/** When to ask for the slot again after somebody was faster, in milliseconds. */
const RETRY_DELAY = 250;

/** What a stream knows of itself before a session, and wants to hear of it. */
export interface SessionContext {
  /** Is set forth to what the slot has confirmed. */
  readonly progress: ReplicationProgress;
  readonly timings: LivenessTimings;
  /** The server's process that last served the stream, if one did. */
  readonly ownProcess: number | undefined;
  readonly log: Log;
  /** Called each time that the slot is somebody else's for a while, with who has it. */
  readonly onWait: (reason: string) => void;
  /** Called with every status update that the session's timer sends. */
  readonly onTick: (liveness: Liveness) => void;
}

/** A session that has begun, and what was found then. */
export interface StartedSession {
  readonly session: ReplicationSession;
  /** Before the server was asked for the slot. */
  readonly askedAt: Moment;
  /** Somebody else has streamed from the slot since the stream last did, or may have. */
  readonly wasElsewhere: boolean;
}

/**
 * Waits, however long, until nobody else streams from the slot, and begins to. Throws what the server says otherwise; when
 * the signal aborts, `source.sql` is ended.
 */
export async function startSession(
  source: Source,
  settings: ReplicationSettings,
  { progress, timings, ownProcess, log, onWait, onTick }: SessionContext,
  signal: AbortSignal,
): Promise<StartedSession> {
  using _ = endOnAbort(source.sql, signal);
  const { slot } = settings;
  let hasWaited = false;
  let wasElsewhere = false;
  const waitFor = (user: SlotUser) => {
    onWait(`${user.description} streams from slot ${slot}`);
    if (!hasWaited) log.info(`Slot ${slot} is in use by ${user.description}; this router stands by for it`);
    hasWaited = true;
    wasElsewhere ||= user.pid !== ownProcess;
  };
  for (;;) {
    await waitForSlot(source.sql, slot, waitFor, signal);
    // Only now: whoever had the slot may have confirmed more.
    const { confirmedFlushLsn = 0n } = await readSlot(source.sql, slot) ?? {};
    wasElsewhere ||= !source.isReplacement && confirmedFlushLsn > progress.confirmed;
    progress.resumeAt(confirmedFlushLsn);
    const askedAt = thisMoment();
    try {
      const { connection } = source;
      const session = await ReplicationSession.start(connection, settings, progress, timings, onTick, signal);
      if (hasWaited) log.info(`Slot ${slot} is free; this router takes over`);
      return { session, askedAt, wasElsewhere };
    } catch (error) {
      if (sqlState(error) !== OBJECT_IN_USE) throw error; // else somebody was faster
      await delay(RETRY_DELAY, undefined, { signal });
    }
  }
}
