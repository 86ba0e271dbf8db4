import { Buffer } from "node:buffer";
import type { RouterEvent } from "../event/cloud_event.ts";
import type { Lsn } from "../postgres/lsn.ts";

/** What delivery has to know of an event. */
export type DeliverableEvent =
  & Pick<RouterEvent, "event" | "graph" | "committedAt">
  & Partial<Pick<RouterEvent, "position">>;

/** An event that not all its sinks have settled; one object shared by their queues. */
export class UnsettledEvent {
  readonly event: DeliverableEvent;
  /** UTF-8 bytes of the body. */
  readonly bytes: number;

  // What follows is the checkpoint's.
  sinksLeft: number;
  previous: UnsettledEvent | undefined = undefined;
  next: UnsettledEvent | undefined = undefined;
  /** May be confirmed once this event and all before it are settled: the newest mark before `next` was added. */
  mark: Lsn | undefined = undefined;

  /** With `sinks` Infinity it is in no checkpoint: nobody waits for it to be settled. */
  constructor(event: DeliverableEvent, sinks: number) {
    this.event = event;
    this.bytes = Buffer.byteLength(event.event.data);
    this.sinksLeft = sinks;
  }

  /** Whether a position waits for it. */
  get isAwaited(): boolean {
    return this.sinksLeft !== Infinity;
  }
}

/**
 * Knows how far the slot may be confirmed: up to the newest mark before which every event is settled by all its sinks.
 *
 * The unsettled events form a list in commit order, and each carries the newest mark that was set behind it. An event
 * that is settled leaves the list and hands its mark to the one before it, or, when it was the oldest, lets it be
 * confirmed. So every step is O(1), and memory grows with unsettled events alone, however many marks pass.
 */
export class Checkpoint {
  #oldest: UnsettledEvent | undefined;
  #newest: UnsettledEvent | undefined;
  #newestMark: Lsn | undefined;
  #confirmable: Lsn | undefined;

  /** The newest mark that may be confirmed; only ever grows, until marks are forgotten. */
  get confirmable(): Lsn | undefined {
    return this.#confirmable;
  }

  /** The first event in commit order that some sink has not settled. */
  get oldest(): DeliverableEvent | undefined {
    return this.#oldest?.event;
  }

  /** @param sinks how many have to settle it; at least 1 */
  add(event: DeliverableEvent, sinks: number): UnsettledEvent {
    const unsettled = new UnsettledEvent(event, sinks);
    unsettled.previous = this.#newest;
    if (this.#newest === undefined) this.#oldest = unsettled;
    else this.#newest.next = unsettled;
    this.#newest = unsettled;
    return unsettled;
  }

  /** One of the event's sinks has settled it. */
  settle(event: UnsettledEvent): void {
    if (--event.sinksLeft > 0) return;
    const { previous, next, mark } = event;
    if (previous === undefined) this.#oldest = next;
    else previous.next = next;
    if (next === undefined) this.#newest = previous;
    else next.previous = previous;
    event.previous = event.next = undefined; // else a dead event would keep others from the garbage collector
    if (mark === undefined) return;
    if (previous === undefined) this.#confirmable = mark;
    else previous.mark = mark;
  }

  /** LSNs mean other WAL from now on: nothing that was marked may be confirmed any more. */
  forgetMarks(): void {
    for (let event = this.#oldest; event; event = event.next) event.mark = undefined;
    this.#newestMark = this.#confirmable = undefined;
  }

  /** All events added so far may be confirmed as `lsn` once they are settled. An older mark changes nothing. */
  mark(lsn: Lsn): void {
    if (this.#newestMark !== undefined && lsn <= this.#newestMark) return;
    this.#newestMark = lsn;
    if (this.#newest === undefined) this.#confirmable = lsn;
    else this.#newest.mark = lsn;
  }
}
