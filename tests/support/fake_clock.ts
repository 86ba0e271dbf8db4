import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/sink/clock.ts";

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #wall: number;
  #steady = 0;
  #timers: { readonly due: number; readonly callback: () => void }[] = [];

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#wall = now;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#wall + this.#steady;
  }

  steady(): number {
    return this.#steady;
  }

  /** Somebody sets the clock forwards, or back; no time passes by that. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#steady + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass: each timer that comes due is called at its time, and everything that follows from it has happened. */
  async advance(ms: number): Promise<void> {
    const end = this.#steady + ms;
    await turn();
    for (let timer = this.#nextUntil(end); timer !== undefined; timer = this.#nextUntil(end)) {
      await this.#fire(timer);
    }
    this.#steady = end;
  }

  /** Jumps to the next timer and calls it; false if there is none. */
  async next(): Promise<boolean> {
    const timer = this.#nextUntil(Infinity);
    if (timer !== undefined) await this.#fire(timer);
    return timer !== undefined;
  }

  #nextUntil(end: number): { readonly due: number; readonly callback: () => void } | undefined {
    let next;
    for (const timer of this.#timers) {
      if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer;
    }
    return next;
  }

  async #fire(timer: { readonly due: number; readonly callback: () => void }): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== timer);
    this.#steady = Math.max(this.#steady, timer.due);
    timer.callback();
    await turn();
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function turn(): Promise<void> {
  await setImmediate();
}
