import type { Log } from "../observe/log.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { DeadLetter, DeadLetterStore } from "./dead_letter.ts";
import { backoff, STORE_RETRY } from "./retry_policy.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Clock } from "../sink/clock.ts";

const MOST_AT_ONCE = 1000;
/** Of their bodies, in UTF-16 code units; a larger letter is written alone. */
const LARGEST_AT_ONCE = 8 * 1024 * 1024;
/** Milliseconds between two words about dead letters in the log. */
const QUIET = 60_000;

/** How the writing of dead letters is doing. */
export interface DeadLetterState {
  /** `failing`: nothing can be written, and what waits holds the replication slot. */
  readonly state: "ready" | "failing";
  /** When the state began, in milliseconds since 1970. */
  readonly since: number;
  /** Why it is failing. */
  readonly lastError?: string;
  /** Letters that are not written. */
  readonly waiting: number;
}

interface Entry {
  readonly letter: DeadLetter;
  readonly written: () => void;
}

/**
 * Writes the dead letters of all sinks, many at once when they come fast. Until one is written its event is not
 * settled: a store that fails is tried again for ever, and what waits for it counts in its sink's queue, which bounds
 * this one.
 */
export class DeadLetterQueue {
  readonly #store: DeadLetterStore;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Log;
  readonly #stored: (lsn: Lsn | undefined) => void;
  readonly #changed: () => void;
  #entries: Entry[] = [];
  #writing: Promise<void> | undefined;
  #failures = 0;
  #since: number;
  #lastError: string | undefined;
  #cancelRetry: (() => void) | undefined;
  #closed = false;
  #toldAt = -Infinity;
  #untold = 0;

  /**
   * @param surroundings of them `stored` is told where the source's WAL has what is written, before anybody hears of it,
   * and `changed` is called after each try
   */
  constructor(
    store: DeadLetterStore,
    surroundings: {
      readonly clock: Clock;
      readonly random: () => number;
      readonly log: Log;
      readonly stored: (lsn: Lsn | undefined) => void;
      readonly changed: () => void;
    },
  ) {
    this.#store = store;
    this.#clock = surroundings.clock;
    this.#random = surroundings.random;
    this.#log = surroundings.log;
    this.#stored = surroundings.stored;
    this.#changed = surroundings.changed;
    this.#since = surroundings.clock.now();
  }

  get state(): DeadLetterState {
    const lastError = this.#lastError;
    return {
      state: lastError === undefined ? "ready" : "failing",
      since: this.#since,
      ...(lastError !== undefined && { lastError }),
      waiting: this.#entries.length,
    };
  }

  /** Calls `written` once the letter is durable, unless the queue is closed before. */
  add(letter: DeadLetter, written: () => void): void {
    this.#entries.push({ letter, written });
    this.#tell(letter);
    this.#write();
  }

  /** Nothing waits, or nothing can be written for now. */
  get isStuckOrIdle(): boolean {
    return this.#entries.length === 0 || this.#cancelRetry !== undefined;
  }

  /** Resolves once nothing is being written any more; what waits is dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    await this.#writing;
  }

  #write(): void {
    if (this.#writing || this.#cancelRetry || this.#closed || this.#entries.length === 0) return;
    this.#writing = this.#writeSome().finally(() => {
      this.#writing = undefined;
      this.#write();
      this.#changed();
    });
  }

  async #writeSome(): Promise<void> {
    const entries = this.#next();
    try {
      this.#stored(await this.#store.write(entries.map((entry) => entry.letter)));
    } catch (error) {
      this.#failures++;
      this.#lastError = messageOf(error);
      if (this.#failures === 1) {
        this.#since = this.#clock.now();
        this.#log.error("Cannot write dead letters: their events stay unsettled until it works", {
          error: this.#lastError,
        });
      }
      if (this.#closed) return;
      this.#cancelRetry = this.#clock.after(backoff(STORE_RETRY, this.#failures, this.#random), () => {
        this.#cancelRetry = undefined;
        this.#write();
      });
      return;
    }
    if (this.#failures > 0) {
      this.#log.info("Dead letters are written again");
      this.#since = this.#clock.now();
    }
    this.#failures = 0;
    this.#lastError = undefined;
    this.#entries = this.#entries.slice(entries.length);
    for (const entry of entries) entry.written();
  }

  #next(): readonly Entry[] {
    let length = 0;
    const end = this.#entries.findIndex(({ letter }, index) =>
      index === MOST_AT_ONCE || ((length += letter.event.data.length) > LARGEST_AT_ONCE && index > 0)
    );
    return this.#entries.slice(0, end < 0 ? this.#entries.length : end);
  }

  /** One bad event is worth a word; a flood of them is worth one a minute. */
  #tell(letter: DeadLetter): void {
    this.#untold++;
    const now = this.#clock.steady();
    if (now - this.#toldAt < QUIET) return;
    this.#log.warn("Sink did not take an event: it becomes a dead letter", {
      sink: letter.sink,
      route: letter.route,
      kind: letter.kind,
      reason: letter.reason,
      attempts: letter.attempts,
      id: letter.event.id,
      deadLetters: this.#untold,
    });
    this.#toldAt = now;
    this.#untold = 0;
  }
}
