import type { Lsn } from "../lsn.ts";

/** What a `ReplicationStream` gives, in the order in which the server sent it. */
export type StreamChunk = Connected | Payloads | Keepalive;

/** A timeline that another comes from: what was written before `end` is the other's, too. */
export interface Ancestor {
  readonly timeline: number;
  readonly end: Lsn;
}

/** A new connection: everything that is not confirmed comes again, from the beginning of a transaction. */
export interface Connected {
  readonly kind: "connected";
  /** Of the database cluster: the same for as long as the stream lives. */
  readonly systemIdentifier: string;
  readonly database: string;
  readonly timeline: number;
  /** The timelines that this one comes from, and where each ended. */
  readonly ancestors: readonly Ancestor[];
  /** How far the server had written its WAL. */
  readonly walEnd: Lsn;
  /**
   * False after a failover or a restore: LSNs mean other WAL than before. Nothing from before may be confirmed any more,
   * nor tell what has come already.
   */
  readonly sameTimelineAsBefore: boolean;
  /**
   * What the slot has confirmed: whoever has settled it, everything before needs nobody any more. 0 says nothing, as where
   * the slot has been made in the place of another.
   */
  readonly confirmed: Lsn;
  /** Somebody else has streamed from the slot since this stream last did, or may have. */
  readonly wasElsewhere: boolean;
  /** The slot has been made in the place of one that was lost, perhaps with a snapshot of what is there. */
  readonly isReplacement: boolean;
  /** Aborts once it is known that no more comes of this connection, whether or not anybody reads. */
  readonly lost: AbortSignal;
  /** How many of the graphs that are followed there were when it was made. */
  readonly graphCount: number;
  /** As `server_version_num`. */
  readonly serverVersion: number;
}

export interface Payloads {
  readonly kind: "payloads";
  /** One pgoutput message each; views into received bytes, which stay as they are for as long as they are kept. */
  readonly payloads: readonly Uint8Array[];
}

/**
 * The server has sent everything before `walEnd` that concerns this stream. It may come inside a transaction: `walEnd`
 * may be confirmed only between transactions, and with nothing outstanding.
 */
export interface Keepalive {
  readonly kind: "keepalive";
  readonly walEnd: Lsn;
}
