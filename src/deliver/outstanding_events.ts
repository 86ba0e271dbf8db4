import type { QueuedEvent } from "./pending_events.ts";
import { positionAfter, type StreamPosition } from "./stream_position.ts";

/**
 * A sink's events of the stream that are neither settled nor safe in the outbox, in commit order; and how far all are.
 */
export class OutstandingEvents {
  #oldest: QueuedEvent | undefined;
  #newest: QueuedEvent | undefined;
  #position: StreamPosition | undefined;

  get oldest(): QueuedEvent | undefined {
    return this.#oldest;
  }

  /** All events up to here are settled or safe; undefined while nothing is known of any. */
  get settledUpTo(): StreamPosition | undefined {
    return this.#oldest === undefined ? this.#position : this.#oldest.before;
  }

  /** What was pushed so far says nothing of positions any more. */
  forgetPositions(): void {
    this.#position = undefined;
    for (let event = this.#oldest; event; event = event.newer) event.before = undefined;
  }

  push(event: QueuedEvent): void {
    event.before = this.#position;
    this.#position = positionAfter(this.#position, event.unsettled.event.event);
    event.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = event;
    else this.#newest.newer = event;
    this.#newest = event;
  }

  remove(event: QueuedEvent): void {
    const { older, newer } = event;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    event.older = event.newer = undefined; // else a dead event would keep others from the garbage collector
  }
}
