import type { FailedEvent } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { WrittenEvent } from "./message.ts";

/** What of one delivery has failed so far, and what may not be sent any more because of that. */
export class Failures {
  readonly events: FailedEvent[] = [];
  /** What stands before all further events. */
  #stop: SinkError | undefined;
  /** What stands before further events of a key. */
  readonly #stopOfKey = new Map<string, SinkError>();

  /** Those that may still be sent; the others have failed with what stands before them. */
  sendable(events: readonly WrittenEvent[]): readonly WrittenEvent[] {
    return events.filter(({ index, event }) => {
      const before = this.#stop ?? this.#stopOfKey.get(event.partitionkey);
      if (before) this.events.push({ index, error: notSent(before) });
      return before === undefined;
    });
  }

  /** Events that were sent together were not taken. */
  add(events: readonly WrittenEvent[], error: SinkError, stopsAll: boolean): void {
    for (const { index, event } of events) {
      this.events.push({ index, error });
      this.#stopOfKey.set(event.partitionkey, error);
    }
    if (stopsAll) this.#stop = error;
  }
}

/** The error of an event that was held back because of the one of another. */
function notSent({ message, retryAfterMs }: SinkError): SinkError {
  return new SinkError(
    "retryable",
    `${message} (an earlier event; this one was not sent)`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}
