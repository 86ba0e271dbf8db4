import type { QueuedEvent } from "./pending_events.ts";
import type { SinkSettings } from "./sink_settings.ts";

/** How much of a sink's events its worker does not get: they are on their way to the outbox. */
export class HeldEvents {
  #events = 0;
  #bytes = 0;

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoom({ maxEvents, maxBytes }: SinkSettings["queue"]): boolean {
    return this.#events < maxEvents && this.#bytes < maxBytes;
  }

  isHalfFull({ maxEvents, maxBytes }: SinkSettings["queue"]): boolean {
    return this.#events >= maxEvents / 2 || this.#bytes >= maxBytes / 2;
  }

  hold(event: QueuedEvent): void {
    event.isHeld = true;
    this.#events++;
    this.#bytes += event.unsettled.bytes;
  }

  release(event: QueuedEvent): void {
    event.isHeld = false;
    this.#events--;
    this.#bytes -= event.unsettled.bytes;
  }
}
