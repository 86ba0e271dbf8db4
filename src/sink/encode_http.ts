import type { CloudEvent } from "../event/cloud_event.ts";
import { ATTRIBUTES } from "./encode.ts";

/**
 * The headers of one event in HTTP binary content mode; the body is `event.data`.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#31-binary-content-mode
 */
export function httpBinaryHeaders(event: CloudEvent): Record<string, string> {
  const headers: Record<string, string> = { "content-type": event.datacontenttype, "ce-specversion": "1.0" };
  for (const name of ATTRIBUTES) {
    const value = event[name];
    if (value) headers[`ce-${name}`] = percentEncode(String(value));
  }
  return headers;
}

const NEEDS_ENCODING = /[^\x21-\x7e]|["%]/;
const RUNS_TO_ENCODE = /(?:[^\x21-\x7e]|["%])+/g;

/** Section 3.1.3.2: space, `"`, `%` and whatever is outside U+0021 to U+007E, as UTF-8. */
function percentEncode(value: string): string {
  if (!NEEDS_ENCODING.test(value)) return value;
  // Half a surrogate pair has no UTF-8; it becomes U+FFFD, as TextEncoder makes it.
  return value.toWellFormed().replace(RUNS_TO_ENCODE, encodeURIComponent);
}
