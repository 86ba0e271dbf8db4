import type { Lsn } from "../../postgres/lsn.ts";

/**
 * How far a sink has settled its events: those of all transactions before the one that `sequence` begins with, and of that
 * one everything up to the event `last` in the order of the stream. Inside of a transaction that is not the order of
 * `sequence`: a row that was only made may be told at its end.
 */
export interface SinkCheckpoint {
  readonly sink: string;
  /** Of the database cluster; with the timeline it says which WAL is meant. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** The greatest of what is settled of that transaction, or no more than its first 16 digits. */
  readonly sequence: string;
  /** Empty where nothing of that transaction is. */
  readonly last: string;
}

/** What a restart need not repeat. */
export interface Checkpoints {
  /** Resolves once they are durable, each in the place of the one before. */
  save(checkpoints: readonly SinkCheckpoint[]): Promise<void>;
  /** None if there is no store yet. */
  load(): Promise<LoadedCheckpoints>;
}

export interface LoadedCheckpoints {
  readonly checkpoints: readonly SinkCheckpoint[];
  /**
   * Where the source's WAL has all that they rely on, such as parked events: a server that has lost the WAL before it may
   * have lost those; undefined if they are elsewhere.
   */
  readonly lsn?: Lsn;
}
