import type { Clock } from "../../src/sink/clock.ts";

const MINUTE = 60_000;

/** Lets no more than so many requests begin within any minute, in the order in which they ask. */
export class RequestRate {
  readonly #clock: Clock;
  #perMinute = Infinity;
  /** When requests of the last minute began or are to begin, by the steady clock, oldest first. */
  #turns: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A whole number of at least 1, or Infinity; what a minute has had already counts on. */
  limit(perMinute: number): void {
    this.#perMinute = perMinute;
    this.#turns = perMinute === Infinity ? [] : this.#turns.slice(-perMinute);
  }

  /** Resolves when a request may begin; rejects with the signal's reason when that aborts before. */
  async admit(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#perMinute === Infinity) return;
    const now = this.#clock.steady();
    while (this.#turns[0] !== undefined && this.#turns[0] <= now - MINUTE) this.#turns.shift();
    // Who comes now begins a minute after the one that is as many requests ahead as a minute may have.
    const ahead = this.#turns.at(-this.#perMinute);
    const turn = ahead === undefined ? now : ahead + MINUTE;
    this.#turns.push(turn);
    if (turn > now) await this.#pass(turn - now, signal);
  }

  async #pass(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }
}
