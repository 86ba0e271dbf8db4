import type { SinkError } from "../sink/sink_error.ts";
import type { QueuedEvent } from "./pending_events.ts";
import { backoff, judge, type RetrySettings } from "./retry_policy.ts";

/** A batch that the sink has. */
export interface Flight {
  readonly batch: readonly QueuedEvent[];
  /** In milliseconds since 1970. */
  readonly sentAt: number;
  /** The same by the steady clock. */
  readonly began: number;
  /** How many events the sink had settled when it was sent. */
  readonly settledBefore: number;
  /** How often the sink had thrown when it was sent. */
  readonly throwsBefore: number;
}

/** The failed deliveries of one event to one sink. */
export interface Failures {
  tries: number;
  /** Those that count against the event. */
  counted: number;
  /** When the first and the last were sent, in milliseconds since 1970. */
  readonly firstAt: number;
  lastAt: number;
  /** How many events the sink had settled when this one last failed by index or alone. */
  settledBefore: number | undefined;
}

/** What is to be done after a `deliver` in which events failed. */
export interface Assessment {
  readonly delivered: readonly QueuedEvent[];
  readonly deadLetters: readonly {
    readonly event: QueuedEvent;
    readonly failures: Failures;
    readonly error: SinkError;
  }[];
  /** How many events the sink settled: those that it took, and those that it rejected. */
  readonly settled: number;
  /** To be tried again, in their order. */
  readonly kept: readonly QueuedEvent[];
  /** Milliseconds that keys wait for the retry of their first event. */
  readonly delays: ReadonlyMap<string, number>;
  /** Why events are retried; of several reasons the one that asks for the longest wait. */
  readonly retryable: SinkError | undefined;
  readonly fatal: SinkError | undefined;
}

/**
 * Applies the retry policy to each failed event of a batch, and notes the attempt on it.
 * @param settledEver how many events the sink has settled, without this batch
 */
export function assess(
  flight: Flight,
  failed: ReadonlyMap<number, SinkError>,
  settledEver: number,
  retry: RetrySettings,
  random: () => number,
): Assessment {
  const delivered = flight.batch.filter((_, index) => !failed.has(index));
  const rejected = [...failed.values()].filter((error) => error.kind === "rejected");
  const settled = delivered.length + rejected.length;
  const deadLetters = [];
  const kept = [];
  const delays = new Map<string, number>();
  const failedKeys = new Set<string>();
  let retryable: SinkError | undefined;
  let fatal: SinkError | undefined;
  for (const [index, event] of flight.batch.entries()) {
    const error = failed.get(index);
    if (error === undefined) continue;
    if (failedKeys.has(event.key) && error.kind === "retryable") {
      kept.push(event); // it was not tried, because an earlier event of its key had failed
      continue;
    }
    failedKeys.add(event.key);
    const failures = noteOwnFailure(event, flight, settledEver + settled);
    const verdict = judge(error.kind, failures.counted, retry);
    switch (verdict) {
      case "retry":
        kept.push(event);
        delays.set(event.key, backoff(retry, failures.tries, random, error.retryAfterMs));
        if (retryable === undefined || (error.retryAfterMs ?? 0) > (retryable.retryAfterMs ?? 0)) {
          retryable = error;
        }
        break;
      case "deadLetter":
        deadLetters.push({ event, failures, error });
        break;
      case "sinkDown":
        kept.push(event);
        fatal ??= error;
        break;
      default:
        verdict satisfies never;
    }
  }
  return { delivered, deadLetters, settled, kept, delays, retryable, fatal };
}

/** Notes a try that failed, for whatever reason. */
export function noteFailure(event: QueuedEvent, flight: Flight): Failures {
  const { sentAt } = flight;
  event.failures ??= { tries: 0, counted: 0, firstAt: sentAt, lastAt: sentAt, settledBefore: undefined };
  event.failures.tries++;
  event.failures.lastAt = sentAt;
  return event.failures;
}

/** Notes a failure of the event's own; it counts only if the sink settled another event since the one before. */
function noteOwnFailure(event: QueuedEvent, flight: Flight, settledEver: number): Failures {
  const failures = noteFailure(event, flight);
  if (settledEver > (failures.settledBefore ?? flight.settledBefore)) failures.counted++;
  failures.settledBefore = settledEver;
  return failures;
}
