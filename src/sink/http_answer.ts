import type { SinkErrorKind } from "./sink_error.ts";

/** What came back for a request; its body is read and dropped. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
}

/**
 * What a status says of the event. The first lines are the CloudEvents webhook specification's, section 2.2; of the
 * statuses that it leaves open, success of any kind counts as delivered, because to send again what was taken makes
 * repeats for ever, and a refusal of any other kind concerns the event.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
 */
export function outcomeOf(status: number): "delivered" | SinkErrorKind {
  switch (status) {
    case 401: // Unauthorized
    case 402: // Payment required
    case 403: // Forbidden
    case 404: // Not found
    case 405: // Method not allowed
    case 407: // Proxy authentication required
    case 410: // Gone: no event is wanted any more
    case 426: // Upgrade required
      return "fatal";
    case 408: // Request timeout
    case 421: // Misdirected request
    case 423: // Locked
    case 425: // Too early
    case 429: // Too many requests
      return "retryable";
  }
  if (status >= 500) return "retryable";
  if (status >= 400) return "rejected"; // 400, 406, 413, 415, 422 and their like
  if (status >= 300) return "fatal";
  return status >= 200 ? "delivered" : "retryable";
}

/**
 * The milliseconds of a Retry-After header (RFC 9110, section 10.2.3): a number of seconds or a date; undefined where
 * there is none that can be understood.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = /^[A-Z]/i.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
