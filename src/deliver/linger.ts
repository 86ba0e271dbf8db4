import type { Clock } from "../sink/clock.ts";

/** Lets a batch that is not full wait for more events, as long as its sink prefers. */
export class Linger {
  readonly #ms: number;
  readonly #clock: Clock;
  readonly #over: () => void;
  #ended = false;
  #waited = false;
  #cancel: (() => void) | undefined;

  /** @param over called when a wait is over */
  constructor(ms: number, clock: Clock, over: () => void) {
    this.#ms = ms;
    this.#clock = clock;
    this.#over = over;
    this.#ended = ms <= 0;
  }

  /** Whether to wait on; the first time begins a wait. */
  waits(): boolean {
    if (this.#ended || this.#waited) return false;
    this.#cancel ??= this.#clock.after(this.#ms, () => {
      this.#cancel = undefined;
      this.#waited = true;
      this.#over();
    });
    return true;
  }

  /** A batch goes out: the next one has a wait of its own. */
  sent(): void {
    this.#waited = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** No batch waits any more. */
  end(): void {
    this.#ended = true;
    this.sent();
  }
}
