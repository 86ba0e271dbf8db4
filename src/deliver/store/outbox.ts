import type { Lsn } from "../../postgres/lsn.ts";
import type { CloudEvent } from "../../event/cloud_event.ts";

/** An event that waits in the outbox for its sink. */
export interface ParkedEvent {
  /** Its place among those of its sink; counted from 1. */
  readonly number: number;
  readonly route: string;
  readonly graph: string;
  /** In milliseconds since 1970; so is when it was parked. */
  readonly committedAt: number;
  readonly parkedAt: number;
  /** UTF-8 bytes of the body. */
  readonly bytes: number;
  readonly event: CloudEvent;
}

/** What is in the outbox for one sink. */
export interface OutboxTotals {
  readonly events: number;
  readonly bytes: number;
  /** Of these events, those after the number that was asked about. */
  readonly unread: number;
  /** The highest number; 0 with none. */
  readonly newest: number;
}

/** Which events of a sink are wanted; one larger than `maxBytes` comes alone. */
export interface OutboxRange {
  /** Numbers above this one, up to and with the other. */
  readonly after: number;
  readonly upTo: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** How much is read at once. */
export const OUTBOX_PAGE = { maxEvents: 500, maxBytes: 4 * 1024 * 1024 } as const;

/**
 * Events that wait for sinks which take none, in order, beyond the life of the router.
 *
 * A call that rejects may have done what it was to do, or nothing. Either way it is over before one that is made after
 * that does anything: what this one does not see will not appear later.
 */
export interface Outbox {
  /** Nothing if there is no store yet. */
  totals(sink: string, after: number): Promise<OutboxTotals>;
  /**
   * Resolves once the events are durable. A number that is there already is passed over. What it resolves to is where
   * the source's WAL has them: a server that has lost the WAL before it has lost them; undefined if they are elsewhere.
   */
  park(sink: string, events: readonly ParkedEvent[]): Promise<Lsn | undefined>;
  /** In the order of their numbers. */
  page(sink: string, range: OutboxRange): Promise<readonly ParkedEvent[]>;
  /** Removes these; those that are not there do not matter. */
  forget(sink: string, numbers: readonly number[]): Promise<void>;
  /** Puts others in the place of these, all at once. */
  replace(sink: string, numbers: readonly number[], by: readonly ParkedEvent[]): Promise<void>;
}
