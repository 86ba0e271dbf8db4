import type { UnsettledEvent } from "./checkpoint.ts";
import type { SinkSettings } from "./sink_settings.ts";

/** How much one sink's queue has: everything that is not settled yet, wherever it is. */
export class QueueLoad {
  #events = 0;
  #bytes = 0;
  /** Of these, what no position waits for; it takes no room from what has one. */
  readonly #offered = { events: 0, bytes: 0 };
  /** Of the events, those that wait for the dead letters to be written. */
  #buried = 0;

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether events wait for dead letters to be written. */
  get isBurying(): boolean {
    return this.#buried > 0;
  }

  /** Nothing is left to be delivered. */
  get isDelivered(): boolean {
    return this.#events === this.#buried;
  }

  /** Whether there is room for an event that a position waits for. */
  hasRoom({ maxEvents, maxBytes }: SinkSettings["queue"]): boolean {
    return this.#events - this.#offered.events < maxEvents && this.#bytes - this.#offered.bytes < maxBytes;
  }

  /** Whether there is room for any other, of which all that waits counts. */
  hasRoomForOffers({ maxEvents, maxBytes }: SinkSettings["queue"]): boolean {
    return this.#events < maxEvents && this.#bytes < maxBytes;
  }

  add(unsettled: UnsettledEvent): void {
    this.#count(unsettled, 1);
  }

  remove(unsettled: UnsettledEvent): void {
    this.#count(unsettled, -1);
  }

  /** An event is to become a dead letter; until `unearthed` it counts as one that is not delivered any more. */
  buried(): void {
    this.#buried++;
  }

  unearthed(): void {
    this.#buried--;
  }

  #count({ bytes, isAwaited }: UnsettledEvent, sign: 1 | -1): void {
    this.#events += sign;
    this.#bytes += sign * bytes;
    if (isAwaited) return;
    this.#offered.events += sign;
    this.#offered.bytes += sign * bytes;
  }
}
