import type { CloudEvent, Resumption, StreamStart } from "../sink/sink.ts";
import type { QueuedEvent } from "./pending_events.ts";

/** What is known of the stream, and of how a sink that keeps its own position has followed it. */
export class StreamTrail {
  #stream: StreamStart | undefined;
  #history = 0;
  #after: CloudEvent | undefined;

  /** Undefined before the stream has begun. */
  get resumption(): Resumption | undefined {
    if (this.#stream === undefined) return undefined;
    return { stream: this.#stream, ...(this.#after && { after: this.#after }) };
  }

  /** With another history, what was queued before is obsolete: as far as it has happened there, it comes again. */
  begin(stream: StreamStart, hasOtherHistory: boolean): void {
    this.#stream = stream;
    if (!hasOtherHistory) return;
    this.#history++;
    this.#after = undefined;
  }

  /** To be called of an event that is queued. */
  queued(event: QueuedEvent): void {
    event.history = this.#history;
  }

  isObsolete({ origin, history }: QueuedEvent): boolean {
    return origin?.letter === undefined && history < this.#history;
  }

  /** To be called of events that the sink has taken, in their order. */
  taken(events: readonly QueuedEvent[]): void {
    const last = events.findLast(({ origin, history }) =>
      origin?.letter === undefined && history === this.#history
    );
    if (last) this.#after = last.unsettled.event.event;
  }
}
