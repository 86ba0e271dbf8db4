import type { LogicalMessage } from "../postgres/wal_message.ts";

/** The prefix of logical messages that name the trace which their transaction belongs to. */
export const TRACEPARENT_PREFIX = "traceparent";

/**
 *     version "-" trace-id "-" parent-id "-" trace-flags      in lower-case hexadecimal
 *
 * Version ff is none, ids are not all zeros, and versions after 00 may append more.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?$/;

/** The trace that the message names, or `undefined` if it names none. */
export function traceparentIn(message: LogicalMessage): string | undefined {
  const text = new TextDecoder().decode(message.content);
  const [, version, more] = TRACEPARENT.exec(text) ?? [];
  return version === undefined || (version === "00" && more !== undefined) ? undefined : text;
}
