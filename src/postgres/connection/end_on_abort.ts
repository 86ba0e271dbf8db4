import type { Sql } from "./sql.ts";

/**
 * Ends `sql` when the signal aborts, until disposed of: there is no other way to interrupt queries that wait for a lock, or
 * for a server that is frozen.
 */
export function endOnAbort(sql: Sql, signal: AbortSignal): Disposable {
  const end = () => void sql.end({ timeout: 0 });
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", end) };
}
