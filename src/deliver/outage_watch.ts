import type { Clock } from "../sink/clock.ts";
import type { SinkWorker } from "./sink_worker.ts";

/**
 * Milliseconds, at most, that a sink may take nothing while its queue is full, which holds up all others: one that fails,
 * and one that says nothing, which may just be slow.
 */
const FULL = { failing: 2_000, silent: 5_000 };

/** Milliseconds between two looks at a sink that has events: that it has not answered for long, nobody tells. */
const INTERVAL = 30_000;

/** What is watched of a worker. */
type Watched = Pick<SinkWorker, "failingSince" | "settledEver" | "hasRoom" | "isIdle">;

/** Tells when a sink has taken nothing for too long. */
export class OutageWatch {
  readonly #worker: Watched;
  readonly #clock: Clock;
  readonly #tooLong: () => void;
  /** Nothing is held against the sink from before. */
  #since = -Infinity;
  #cancelOutage: (() => void) | undefined;
  #outageDue = 0;
  #cancelStall: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;
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
      return this.#lookLater(patience);
    }
    const due = this.#dueOf(since, patience);
    if (this.#cancelOutage && due >= this.#outageDue) return;
    this.#cancelOutage?.();
    this.#outageDue = due;
    this.#cancelOutage = this.#clock.after(Math.max(0, due - this.#clock.steady()), () => {
      this.#cancelOutage = undefined;
      const isOver = this.#worker.failingSince !== since ||
        this.#dueOf(since, patience) > this.#clock.steady();
      if (isOver) this.look(patience);
      else this.#tooLong();
    });
  }

  #lookLater(patience: number): void {
    if (this.#cancelLook || this.#worker.isIdle) return;
    this.#cancelLook = this.#clock.after(INTERVAL, () => {
      this.#cancelLook = undefined;
      this.look(patience);
    });
  }

  #dueOf(since: number, patience: number): number {
    const allowed = this.#worker.hasRoom ? patience : Math.min(patience, FULL.failing);
    return Math.max(since, this.#since) + allowed;
  }

  /**
   * To be called when something may have been queued: a sink that does not answer fails nothing; but a queue that is full,
   * and stays as it is, tells.
   */
  lookAtRoom(patience: number): void {
    if (this.#worker.hasRoom) return this.#lookLater(patience);
    this.look(patience);
    if (this.#cancelStall) return;
    const before = this.#worker.settledEver;
    this.#cancelStall = this.#clock.after(Math.min(patience, FULL.silent), () => {
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
    this.#cancelLook?.();
    this.#cancelOutage = this.#cancelStall = this.#cancelLook = undefined;
  }
}
