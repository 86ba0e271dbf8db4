import type { Clock } from "../sink/clock.ts";
import { backoff, STORE_RETRY } from "./retry_policy.ts";

const MOST_AT_ONCE = 2_000;

/** An event that has to leave the outbox. */
export interface ForgottenEvent {
  readonly number: number;
  readonly bytes: number;
  /** Whether it is known to be there. */
  readonly isThere: boolean;
}

/** Removes what is delivered from the outbox, as much at once as comes while it does; tries again until it is gone. */
export class ForgottenEvents {
  readonly #remove: (events: readonly ForgottenEvent[]) => Promise<void>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #changed: () => void;
  #waiting: ForgottenEvent[] = [];
  #removing: Promise<void> | undefined;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  #isClosed = false;

  /** @param surroundings of them `changed` is called after each try */
  constructor(
    remove: (events: readonly ForgottenEvent[]) => Promise<void>,
    { clock, random, changed }: {
      readonly clock: Clock;
      readonly random: () => number;
      readonly changed: () => void;
    },
  ) {
    this.#remove = remove;
    this.#clock = clock;
    this.#random = random;
    this.#changed = changed;
  }

  /** Nothing waits, or nothing can be removed for now. */
  get isStuckOrIdle(): boolean {
    return this.#cancelRetry !== undefined || (this.#waiting.length === 0 && this.#removing === undefined);
  }

  add(event: ForgottenEvent): void {
    this.#waiting.push(event);
    this.#begin();
  }

  /** Resolves once nothing is under way any more; what is left comes again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    await this.#removing;
  }

  #begin(): void {
    if (this.#removing || this.#cancelRetry || this.#isClosed || this.#waiting.length === 0) return;
    // In a later turn, so that what is settled together goes together.
    this.#removing = Promise.resolve().then(() => this.#removeSome()).finally(() => {
      this.#removing = undefined;
      this.#begin();
      this.#changed();
    });
  }

  async #removeSome(): Promise<void> {
    const events = this.#waiting.slice(0, MOST_AT_ONCE);
    try {
      await this.#remove(events);
      this.#waiting = this.#waiting.slice(events.length);
      this.#failures = 0;
    } catch {
      this.#failures++;
      if (this.#isClosed) return;
      this.#cancelRetry = this.#clock.after(backoff(STORE_RETRY, this.#failures, this.#random), () => {
        this.#cancelRetry = undefined;
        this.#begin();
      });
    }
  }
}
