import { formatLsn } from "../postgres/lsn.ts";
import type { Transaction } from "../postgres/row_change.ts";
import type { Gap } from "../twin/twin_change.ts";

/** Why something is missing among the events. */
export type GapReason =
  | Gap["reason"]
  /** A change has more events than an id can number. */
  | "too_many_events"
  /** A sink has been out of reach for longer than its events may wait. */
  | "dropped_by_policy";

/** What an event says of others that nobody gets; how many of them where that is known. */
export function gapData(
  { graph, transaction, span }: {
    readonly graph: string;
    readonly transaction: Transaction;
    readonly span?: Gap["span"];
  },
  reason: GapReason,
  count?: number,
): string {
  const lsn = formatLsn(transaction.commitLsn);
  const { from, to } = span ?? { from: lsn, to: lsn };
  return JSON.stringify({ reason, graph, from, to, ...(count !== undefined && { count }) });
}
