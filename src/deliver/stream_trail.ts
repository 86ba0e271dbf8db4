import type { Lsn } from "../postgres/lsn.ts";
import type { Resumption, StreamStart } from "../sink/sink.ts";
import type { DeliverableEvent } from "./checkpoint.ts";
import type { QueuedEvent } from "./pending_events.ts";

/** What is known of the stream, and of how a sink that keeps its own position has followed it. */
export class StreamTrail {
  #stream: StreamStart | undefined;
  #history = 0;
  #after: DeliverableEvent | undefined;
  #takenOverAt: Lsn | undefined;

  /** Undefined before the stream has begun. */
  get resumption(): Resumption | undefined {
    if (this.#stream === undefined) return undefined;
    return {
      stream: this.#stream,
      ...(this.#after && { after: this.#after.event }),
      ...(this.#takenOverAt !== undefined && { takenOverAt: this.#takenOverAt }),
    };
  }

  /** With another history, what was queued before is obsolete: as far as it has happened there, it comes again. */
  begin(stream: StreamStart, hasOtherHistory: boolean): void {
    this.#stream = stream;
    if (!hasOtherHistory) return;
    this.#history++;
    this.#after = this.#takenOverAt = undefined;
  }

  /**
   * A sink without a position has taken this event, beyond whatever position there is; by default the last one, since the
   * sink so far kept none, and the one that takes its place does.
   */
  takeOver(at: DeliverableEvent | undefined = this.#after): void {
    this.#takenOverAt = at?.position?.commitLsn ?? this.#takenOverAt;
  }

  /** To be called of an event that is queued. */
  queued(event: QueuedEvent): void {
    event.history = this.#history;
  }

  /** Nobody needs the event any more, because the database has it not. What comes apart has outlived that, or not. */
  isObsolete({ isApart, history }: QueuedEvent): boolean {
    return !isApart && history < this.#history;
  }

  /** To be called of events that the sink has taken, or has already, in their order. */
  taken(events: readonly QueuedEvent[]): void {
    const last = events.findLast(({ origin, history }) => origin === undefined && history === this.#history);
    if (last) this.#after = last.unsettled.event;
  }
}
