import type { CloudEvent } from "../event/cloud_event.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { SinkErrorKind } from "../sink/sink_error.ts";

/** An event that a sink will never take, and why. */
export interface DeadLetter {
  readonly sink: string;
  readonly route: string;
  /** The message of the last error. */
  readonly reason: string;
  /** `rejected`, or `retryable` after too many attempts. */
  readonly kind: SinkErrorKind;
  /** How often it was tried. */
  readonly attempts: number;
  /** When the first and the last try were sent, in milliseconds since 1970. */
  readonly firstTime: number;
  readonly lastTime: number;
  readonly event: CloudEvent;
  /** The dead letter that it was already, and that somebody wanted to be tried again. */
  readonly replayOf?: number;
}

/** Where dead letters are kept. */
export interface DeadLetterStore {
  /**
   * Resolves once all the letters are durable; throws if that is not sure. Never called again before it is done.
   * After a throw the same letters are written again, so that one may be there twice. What it resolves to is where the
   * source's WAL has them, as with the outbox.
   */
  write(letters: readonly DeadLetter[]): Promise<Lsn | undefined>;
}
