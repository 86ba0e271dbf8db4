import type { Clock } from "../sink/clock.ts";
import type { SinkWorker } from "./sink_worker.ts";

/** What is watched of a worker. */
type Watched = Pick<SinkWorker, "failingSince" | "settledEver" | "hasRoom">;

/** Tells when a sink has taken nothing for too long. */
export class OutageWatch {
  readonly #worker: Watched;
  readonly #clock: Clock;
  readonly #tooLong: () => void;
  /** Nothing is held against the sink from before. */
  #since = -Infinity;
  #cancelOutage: (() => void) | undefined;
  #cancelStall: (() => void) | undefined;
  /** What the sink had settled when it was found to be stuck. */
  #stuckAt: number | undefined;

  /** @param tooLong called once for each outage that lasts, unless the watch was told to end before */
  constructor(worker: Watched, clock: Clock, tooLong: () => void) {
    this.#worker = worker;
    this.#clock = clock;
    this.#tooLong = tooLong;
  }

  /** The sink takes nothing, as far as one knows. */
  get isFailing(): boolean {
    if (this.#stuckAt !== this.#worker.settledEver) this.#stuckAt = undefined;
    return this.#worker.failingSince !== undefined || this.#stuckAt !== undefined;
  }

  /** Only what is amiss from now on counts. */
  begin(): void {
    this.#since = this.#clock.steady();
  }

  /** To be called when something has changed. @param patience milliseconds that the sink may take nothing */
  look(patience: number): void {
    const since = this.#worker.failingSince;
    if (since === undefined) {
      this.#cancelOutage?.();
      this.#cancelOutage = undefined;
      return;
    }
    const left = Math.max(since, this.#since) + patience - this.#clock.steady();
    this.#cancelOutage ??= this.#clock.after(Math.max(0, left), () => {
      this.#cancelOutage = undefined;
      if (this.#worker.failingSince === since) this.#tooLong();
      else this.look(patience);
    });
  }

  /**
   * To be called when something was queued: a sink that does not answer fails nothing; but a queue that is full, and
   * stays as it is, tells.
   */
  lookAtRoom(patience: number): void {
    if (this.#cancelStall || this.#worker.hasRoom) return;
    const before = this.#worker.settledEver;
    this.#cancelStall = this.#clock.after(patience, () => {
      this.#cancelStall = undefined;
      if (this.#worker.hasRoom) return;
      if (this.#worker.settledEver !== before) return this.lookAtRoom(patience);
      this.#stuckAt = before;
      this.#tooLong();
    });
  }

  /** Nothing is told any more, until it is looked at again. */
  end(): void {
    this.#cancelOutage?.();
    this.#cancelStall?.();
    this.#cancelOutage = this.#cancelStall = undefined;
  }
}
