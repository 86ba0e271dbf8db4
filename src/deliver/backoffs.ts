import type { Clock } from "../sink/clock.ts";

/** The waits for retries of one sink: a pause of the whole sink, and the keys that wait by themselves. */
export class Backoffs {
  readonly #clock: Clock;
  readonly #freeKey: (key: string) => void;
  readonly #over: () => void;
  #cancelPause: (() => void) | undefined;
  readonly #cancelKeys = new Map<string, () => void>();

  /**
   * @param freeKey called for a key whose wait is over
   * @param over called when a wait ended by itself, after `freeKey`
   */
  constructor(clock: Clock, freeKey: (key: string) => void, over: () => void) {
    this.#clock = clock;
    this.#freeKey = freeKey;
    this.#over = over;
  }

  get isPausing(): boolean {
    return this.#cancelPause !== undefined;
  }

  pause(ms: number): void {
    this.#cancelPause?.();
    this.#cancelPause = this.#clock.after(ms, () => {
      this.#cancelPause = undefined;
      this.#over();
    });
  }

  holdKey(key: string, ms: number): void {
    const cancel = this.#clock.after(ms, () => {
      this.#cancelKeys.delete(key);
      this.#freeKey(key);
      this.#over();
    });
    this.#cancelKeys.set(key, cancel);
  }

  /** Ends all waits now: every key is free. */
  end(): void {
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    for (const [key, cancel] of this.#cancelKeys) {
      cancel();
      this.#freeKey(key);
    }
    this.#cancelKeys.clear();
  }
}
