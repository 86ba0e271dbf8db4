import type { Metrics } from "../observe/metrics.ts";
import type { QueuedEvent } from "./pending_events.ts";
import type { OutboxRange, OutboxTotals, ParkedEvent } from "./store/outbox.ts";

/** What is known of a sink's part of the outbox: how much is there, and how far it has been read by the sink's worker. */
export class OutboxLedger {
  readonly #sink: string;
  readonly #metrics: Metrics;
  #hasGauges = true;
  #events = 0;
  #bytes = 0;
  #unread = 0;
  /** Of that which the worker has, when it was parked, by number. */
  readonly #window = new Map<number, number>();
  #number = 0;
  /** All up to here are in the outbox, and all up to there are the worker's. */
  #durable = 0;
  #lastRead = 0;
  #generation = 0;

  constructor(sink: string, metrics: Metrics) {
    this.#sink = sink;
    this.#metrics = metrics;
    this.#count(0, 0);
  }

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How many of the events the worker does not have. */
  get unread(): number {
    return this.#unread;
  }

  /** The newest that the worker has. */
  get lastRead(): number {
    return this.#lastRead;
  }

  /** Counts up whenever somebody else may have been at the outbox. */
  get generation(): number {
    return this.#generation;
  }

  /** When the oldest that the worker has was parked. */
  get oldestParkedAt(): number | undefined {
    const [parkedAt] = this.#window.values();
    return parkedAt;
  }

  /** What is to be read next. */
  rangeOf(page: Pick<OutboxRange, "maxEvents" | "maxBytes">): OutboxRange {
    return { after: this.#lastRead, upTo: this.#durable, ...page };
  }

  /** Nothing that was known holds. */
  beginAnew(): void {
    this.#generation++;
    this.#window.clear();
    this.#lastRead = 0;
  }

  /** This is there. */
  found({ events, bytes, unread, newest }: OutboxTotals): void {
    this.#count(events - this.#events, bytes - this.#bytes);
    this.#unread = unread;
    this.#number = Math.max(this.#number, newest);
    this.#durable = Math.max(this.#durable, newest);
  }

  /** The number of the next event to be parked. */
  nextNumber(now: number): number {
    // Others may have numbered meanwhile, without our knowing: by the time, none has the number of another.
    return this.#number = Math.max(this.#number + 1, Math.floor(now * 1000));
  }

  /** The worker gets this. */
  read({ number, parkedAt }: ParkedEvent): void {
    this.#lastRead = number;
    this.#unread = Math.max(0, this.#unread - 1);
    this.#window.set(number, parkedAt);
  }

  /** Of so many that were supposed to be unread, none are there any more. */
  foundNone(supposed: number): void {
    this.#unread -= supposed;
  }

  /** An event is there now. @param isHeld whether the worker does not have it */
  written({ unsettled: { bytes } }: QueuedEvent, number: number, parkedAt: number, isHeld: boolean): void {
    this.#durable = Math.max(this.#durable, number);
    this.#count(1, bytes);
    // Others may have to be read before: then it is read as well.
    if (isHeld || this.#unread > 0) this.#unread++;
    else {
      this.#lastRead = Math.max(this.#lastRead, number);
      this.#window.set(number, parkedAt);
    }
  }

  /** So many of those that nobody has read are gone. */
  dropped(rows: number, bytes: number): void {
    this.#count(-rows, -bytes);
    this.#unread -= rows;
  }

  /** The worker's sink has settled one. */
  settled(number: number): void {
    this.#window.delete(number);
  }

  /** One is not there any more. */
  removed(bytes: number): void {
    this.#count(-1, -bytes);
  }

  /** Nothing is left, unless the worker has some: others may have removed what still counts. */
  emptied(): void {
    if (this.#window.size === 0) this.#count(-this.#events, -this.#bytes);
  }

  /** Lets nobody see what is parked any more. */
  forgetGauges(): void {
    this.#hasGauges = false;
    this.#metrics.parkedEvents.remove({ sink: this.#sink });
    this.#metrics.parkedBytes.remove({ sink: this.#sink });
  }

  #count(events: number, bytes: number): void {
    this.#events = Math.max(0, this.#events + events);
    this.#bytes = Math.max(0, this.#bytes + bytes);
    if (!this.#hasGauges) return;
    this.#metrics.parkedEvents.set({ sink: this.#sink }, this.#events);
    this.#metrics.parkedBytes.set({ sink: this.#sink }, this.#bytes);
  }
}
