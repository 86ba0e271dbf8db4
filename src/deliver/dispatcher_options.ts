import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { Clock } from "../sink/clock.ts";
import type { DeadLetterStore } from "./dead_letter.ts";
import type { Checkpoints } from "./store/checkpoints.ts";
import type { DeadLetterShelf } from "./store/dead_letter_shelf.ts";
import type { Outbox } from "./store/outbox.ts";

/** What a dispatcher works with. */
export interface DispatcherOptions {
  readonly deadLetters: DeadLetterStore;
  /** Where somebody may ask for dead letters to be tried again; that is looked for only if it is given. */
  readonly shelf?: DeadLetterShelf;
  /** Where events wait for sinks that take none; without it they wait in the queues alone. */
  readonly outbox?: Outbox;
  /** Where it is kept how far each sink is; without it a restart repeats whatever is not confirmed. */
  readonly checkpoints?: Checkpoints;
  /** The type that a gap has on a route; the router's own when left out. */
  readonly gapType?: (route: string) => string;
  readonly metrics: Metrics;
  readonly log?: Log;
  /** Numbers from 0 to less than 1, for the jitter of retries. */
  readonly random?: () => number;
  readonly clock?: Clock;
  /** Whether anything may be sent now; always, without it. After a change `reconsider` is to be called. */
  readonly mayDeliver?: () => boolean;
  /** Called when `confirmable` has grown, once for each step in which it did. */
  readonly onConfirmable?: (lsn: Lsn) => void;
}
