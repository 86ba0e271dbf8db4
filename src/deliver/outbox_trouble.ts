import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Clock } from "../sink/clock.ts";
import { backoff, STORE_RETRY } from "./retry_policy.ts";

export interface OutboxTroubleSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** What is done with the outbox. */
export type OutboxUse = "read" | "write";

/**
 * Waits after each failure of the outbox, longer each time until it works again, and tells of the first. A disk that is
 * full can still be read.
 */
export class OutboxTrouble {
  readonly #sink: string;
  readonly #of: OutboxTroubleSurroundings;
  readonly #waited: () => void;
  #failures = 0;
  #failing: OutboxUse | undefined;
  #lastError: string | undefined;
  #cancel: (() => void) | undefined;
  #isClosed = false;

  /** @param waited called when a wait is over */
  constructor(sink: string, surroundings: OutboxTroubleSurroundings, waited: () => void) {
    this.#sink = sink;
    this.#of = surroundings;
    this.#waited = waited;
  }

  /** Nothing is to be tried for now. */
  get isWaiting(): boolean {
    return this.#cancel !== undefined;
  }

  /** Why it does not work; undefined while it does. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  failed(use: OutboxUse, error: unknown): void {
    this.#failures++;
    this.#failing = use;
    this.#lastError = messageOf(error);
    const { log, clock, random } = this.#of;
    if (this.#failures === 1) {
      log.error("Cannot use the outbox: events stay where they are until it works", {
        sink: this.#sink,
        error: this.#lastError,
      });
    }
    if (this.#isClosed || this.#cancel) return;
    this.#cancel = clock.after(backoff(STORE_RETRY, this.#failures, random), () => {
      this.#cancel = undefined;
      this.#waited();
    });
  }

  worked(use: OutboxUse): void {
    if (use === this.#failing) this.#forget();
  }

  /** It does not matter any more. */
  isOver(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#forget();
  }

  /** Waits for nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #forget(): void {
    this.#failures = 0;
    this.#failing = undefined;
    this.#lastError = undefined;
  }
}
