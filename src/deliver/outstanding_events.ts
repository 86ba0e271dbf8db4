import type { QueuedEvent } from "./pending_events.ts";

/** A sink's events of the stream that are neither settled nor safe in the outbox, in commit order. */
export class OutstandingEvents {
  #oldest: QueuedEvent | undefined;
  #newest: QueuedEvent | undefined;

  get oldest(): QueuedEvent | undefined {
    return this.#oldest;
  }

  push(event: QueuedEvent): void {
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
