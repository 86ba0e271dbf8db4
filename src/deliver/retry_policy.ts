import type { SinkErrorKind } from "../sink/sink_error.ts";

/** How a sink's failures are retried. */
export interface RetrySettings {
  /** Milliseconds: the most that the first retry waits. */
  readonly initial: number;
  /** Milliseconds: the most that any retry waits, whatever the far end asks for. */
  readonly max: number;
  /** Attempts that count against an event before it becomes a dead letter; at least 1. */
  readonly maxAttempts: number;
}

/** Of what the router keeps in its own store: nothing is given up. */
export const STORE_RETRY: RetrySettings = { initial: 200, max: 30_000, maxAttempts: Infinity };

/**
 * Milliseconds until the next try after so many failures in a row (1 or more): anything up to a ceiling that doubles
 * with each, which spreads the tries of many clients best, but not less than the far end asked for.
 * @param random gives numbers from 0 to less than 1
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter")
 */
export function backoff(
  retry: RetrySettings,
  failures: number,
  random: () => number,
  retryAfterMs = 0,
): number {
  const ceiling = Math.min(retry.max, retry.initial * 2 ** Math.min(failures - 1, 40));
  return Math.min(retry.max, Math.max(retryAfterMs, random() * ceiling));
}

/** What becomes of an event that a sink did not take. */
export type Verdict = "retry" | "deadLetter" | "sinkDown";

/**
 * The table: what a failure of its own, by index or alone in its batch, means for an event.
 *
 * | kind        | the event                                         | the sink                            |
 * |-------------|---------------------------------------------------|-------------------------------------|
 * | `retryable` | again after a backoff, later ones of its key wait | pauses if the batch settled nothing |
 * |             | dead letter after `maxAttempts` ¹                 | goes on                             |
 * | `rejected`  | dead letter, later ones of its key go on          | goes on                             |
 * | `fatal`     | stays queued                                      | down until restart                  |
 *
 * ¹ An attempt counts only if the sink settled another event since the attempt before: an outage, in which nothing is
 * settled, never makes dead letters.
 *
 * A throw for several events blames none of them: all stay, in order, and are tried one by one.
 */
export function judge(kind: SinkErrorKind, countedAttempts: number, retry: RetrySettings): Verdict {
  switch (kind) {
    case "retryable":
      return countedAttempts >= retry.maxAttempts ? "deadLetter" : "retry";
    case "rejected":
      return "deadLetter";
    case "fatal":
      return "sinkDown";
    default:
      return kind satisfies never;
  }
}
