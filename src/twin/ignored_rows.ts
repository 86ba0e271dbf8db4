import { isWorthTelling } from "../observe/is_worth_telling.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { formatLsn } from "../postgres/lsn.ts";
import type { Transaction } from "../postgres/row_change.ts";
import type { Label, NotALabel } from "./label.ts";
import type { Unreadable } from "./row_reader.ts";

/** Why a row change, or a message, makes no event. */
export type IgnoredReason =
  | NotALabel
  /** A label's row that is neither a twin, a relationship nor a model, nor looks like one. */
  | "nobody"
  | "no_identity"
  | "unknown_source"
  | Unreadable
  | "unknown_properties"
  | "delete_without_properties"
  | "bad_traceparent"
  | "bad_snapshot_message"
  | "bad_gap_message";

/** What somebody would miss is told of: once for each label, or with its 1st, 10th, 100th … row. */
const TOLD: Readonly<Partial<Record<IgnoredReason, { readonly once: boolean; readonly message: string }>>> = {
  no_identity: {
    once: false,
    message: "Cannot make an event of a row: no state of it says which twin, relationship or model it is",
  },
  unknown_source: {
    once: false,
    message: "Cannot make an event of a relationship: no state of it has a $sourceId",
  },
  malformed: {
    once: false,
    message: "Cannot read a row: its properties are no agtype map",
  },
  too_large: {
    once: false,
    message:
      "Cannot read a row: its properties are larger than 256 MiB, or have more than 4,194,304 keys and " +
      "values; a gap is told instead",
  },
  unknown_properties: {
    once: true,
    message: "Cannot make events of updates that leave large properties unchanged: " +
      "the label has no REPLICA IDENTITY FULL",
  },
  delete_without_properties: {
    once: true,
    message: "Cannot make events of deletes: the label has no REPLICA IDENTITY FULL",
  },
  bad_traceparent: {
    once: false,
    message: "Cannot use a traceparent message: it is not in the form of W3C Trace Context",
  },
  bad_snapshot_message: {
    once: false,
    message: "Cannot use a snapshot message: it is not in the form that twinrouter snapshot writes",
  },
  bad_gap_message: {
    once: false,
    message: "Cannot use a message that tells of a gap: it is not in the form that the router writes",
  },
};

/** Counts what makes no event, and tells of what somebody would miss; never of its values. */
export class IgnoredRows {
  readonly #metrics: Metrics;
  readonly #log: Log;
  /** By reason and label. */
  readonly #times = new Map<string, number>();

  constructor(metrics: Metrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** `rowId` is the row's graphid. */
  add(
    reason: IgnoredReason,
    transaction: Transaction,
    ordinal: number,
    label?: Label,
    rowId?: string,
  ): void {
    this.#metrics.ignoredRows.inc({ reason });
    const told = TOLD[reason];
    if (!told) return;
    const place = label ? `${label.graph}.${label.name}` : "";
    const times = (this.#times.get(`${reason} ${place}`) ?? 0) + 1;
    this.#times.set(`${reason} ${place}`, times);
    if (told.once ? times > 1 : !isWorthTelling(times)) return;
    this.#log.warn(told.message, {
      ...(label && { graph: label.graph, label: label.name }),
      ...(rowId !== undefined && { row: rowId }),
      commitLsn: formatLsn(transaction.commitLsn),
      ordinal,
      times,
    });
  }
}
