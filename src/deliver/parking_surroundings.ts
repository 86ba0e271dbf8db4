import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { Clock } from "../sink/clock.ts";
import type { UnsettledEvent } from "./checkpoint.ts";
import type { QueuedEvent } from "./pending_events.ts";
import type { Outbox } from "./store/outbox.ts";

/** What a sink's parking needs of the dispatcher. */
export interface ParkingSurroundings {
  /** Without it nothing is ever parked. */
  readonly outbox: Outbox | undefined;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  /** The type that a gap has on a route. */
  readonly gapType: (route: string) => string;
  /** Whether anything may be sent now; the outbox is another router's else. */
  readonly mayDeliver: () => boolean;
  /** Whether nobody needs the event any more. */
  readonly isSettledElsewhere: (event: QueuedEvent) => boolean;
  /** So many events will never reach the sink, which is no longer wanted; they are settled. */
  readonly dropped: (sink: string, events: number) => void;
  /** Events that are settled from now on rely on what the source's WAL has before this. */
  readonly stored: (lsn: Lsn | undefined) => void;
  /** This sink has settled the event, or it is parked. */
  readonly settled: (event: UnsettledEvent) => void;
  /** There may be room again, or nothing left to do. */
  readonly changed: () => void;
}
