import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../sink/clock.ts";
import type { StreamStart } from "../sink/sink.ts";
import type { DeadLetterQueue } from "./dead_letter_queue.ts";
import type { QueuedEvent } from "./pending_events.ts";

/** What a worker needs of the dispatcher. */
export interface WorkerSurroundings {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly deadLetters: DeadLetterQueue;
  /** Its abort ends the delivery. */
  readonly signal: AbortSignal;
  /** This sink has settled the event. */
  readonly settled: (event: QueuedEvent) => void;
  /** So many events will never reach the sink, which is no longer wanted; they are settled. */
  readonly dropped: (sink: string, events: number) => void;
  /** Undefined before it has begun. */
  readonly stream: () => StreamStart | undefined;
  /** Whether anything may be sent now. */
  readonly mayDeliver: () => boolean;
  /** Whether nobody needs the event any more. */
  readonly isSettledElsewhere: (event: QueuedEvent) => boolean;
  /** Something settled or failed; called after all `settled` of one step. */
  readonly changed: () => void;
}
