import { type Log, logOf } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { formatLsn } from "../postgres/lsn.ts";
import type { Relation, Replicated, RowChange, Transaction } from "../postgres/row_change.ts";
import { GAP_PREFIX, readGapMessage } from "../postgres/replication/gap_message.ts";
import { readSnapshotMessage, SNAPSHOT_PREFIX } from "../postgres/snapshot/snapshot_message.ts";
import type { LogicalMessage } from "../postgres/wal_message.ts";
import { IgnoredRows } from "./ignored_rows.ts";
import { IgnoredTelemetry } from "./ignored_telemetry.ts";
import { instantTransaction } from "./instant_transaction.ts";
import { type Label, Labels } from "./label.ts";
import { readRow } from "./row_reader.ts";
import type { RowRun } from "./row_run.ts";
import { changesOf } from "./run_changes.ts";
import { RunMerger } from "./run_merger.ts";
import { readTelemetry, TELEMETRY } from "./telemetry_payload.ts";
import { TRACEPARENT_PREFIX, traceparentIn } from "./trace_parent.ts";
import type { TwinItem } from "./twin_change.ts";

export interface TwinChangesOptions {
  readonly metrics: Metrics;
  /** The graphs that are wanted; without it, every one. */
  readonly graphs?: readonly string[];
  /** Of this router, to know its messages by. */
  readonly slot?: string;
  /** A transaction made graphs or labels; called once for each that did, while it is read. */
  readonly onCatalogChange?: () => void;
  readonly log?: Log;
  /** Milliseconds since 1970, for what has no commit time. */
  readonly now?: () => number;
}

/**
 * Turns what is replicated into changes of twins, relationships and models. The same transaction gives the same changes
 * in the same order, those of one partition key in the order of their positions; memory does not grow with it.
 */
export class TwinChanges {
  readonly #labels: Labels;
  readonly #metrics: Metrics;
  readonly #ignored: IgnoredRows;
  readonly #ignoredTelemetry: IgnoredTelemetry;
  readonly #slot: string | undefined;
  readonly #now: () => number;
  readonly #onCatalogChange: () => void;
  readonly #merger = new RunMerger((run) => this.#emit(run));
  /** Where the item that is being taken puts what it completes. */
  #out: TwinItem[] = [];
  #transaction: Transaction | undefined;
  #traceparent: string | undefined;
  #catalogChanged = false;
  /** What takes the messages of a prefix; those of all others pass by. */
  readonly #readers: ReadonlyMap<string, (message: LogicalMessage, ordinal: number) => void> = new Map([
    [TRACEPARENT_PREFIX, this.#traceparentMessage.bind(this)],
    [TELEMETRY, this.#telemetryMessage.bind(this)],
    [SNAPSHOT_PREFIX, this.#snapshotMark.bind(this)],
    [GAP_PREFIX, this.#gapMessage.bind(this)],
  ]);

  constructor(options: TwinChangesOptions) {
    const { metrics, graphs, slot, onCatalogChange = () => {}, log = logOf("twin"), now = Date.now } =
      options;
    this.#slot = slot;
    this.#labels = new Labels(graphs);
    this.#metrics = metrics;
    this.#ignored = new IgnoredRows(metrics, log);
    this.#ignoredTelemetry = new IgnoredTelemetry(metrics, log);
    this.#now = now;
    this.#onCatalogChange = onCatalogChange;
  }

  /** Takes the next item of the stream and appends to `out` what it completes. A `begin` drops what never ended. */
  push(item: Replicated, out: TwinItem[]): void {
    this.#out = out;
    switch (item.kind) {
      case "begin":
        this.#begin(item.transaction);
        break;
      case "insert":
      case "update":
      case "delete":
        this.#row(item);
        break;
      case "truncate":
        this.#truncate(item.relations, item.ordinal);
        break;
      case "message":
        this.#readers.get(item.message.prefix)?.(item.message, item.ordinal);
        break;
      case "settle":
        if (item.endsTransaction) this.#merger.finish();
        out.push({ kind: "settle", lsn: item.lsn });
        break;
      default:
        item satisfies never;
    }
  }

  get #current(): Transaction {
    if (!this.#transaction) throw new Error("Cannot read a row: it is in no transaction");
    return this.#transaction;
  }

  #begin(transaction: Transaction): void {
    this.#merger.clear();
    this.#transaction = transaction;
    this.#traceparent = undefined;
    this.#catalogChanged = false;
  }

  #row(change: RowChange): void {
    const label = this.#labels.of(change.relation);
    if (typeof label === "string") {
      this.#ignored.add(label, this.#current, change.ordinal);
      if (label === "catalog" && change.kind === "insert") this.#catalogRow(change.relation);
      return;
    }
    let isTooLarge = false;
    const row = readRow(change, label, this.#traceparent, (why) => {
      const rowId = (change.kind === "delete" ? change.old : change.new)?.text(label.idColumn);
      this.#ignored.add(why, this.#current, change.ordinal, label, rowId);
      isTooLarge ||= why === "too_large";
    });
    if (row) this.#merger.add(row);
    else if (isTooLarge) this.#labelGap("too_large", label, change.ordinal);
  }

  #catalogRow({ name }: Relation): void {
    if (this.#catalogChanged || (name !== "ag_graph" && name !== "ag_label")) return;
    this.#catalogChanged = true;
    this.#onCatalogChange();
  }

  #truncate(relations: readonly Relation[], ordinal: number): void {
    const transaction = this.#current;
    for (const [part, relation] of relations.entries()) {
      const label = this.#labels.of(relation);
      if (typeof label === "string") {
        this.#ignored.add(label, transaction, ordinal);
        continue;
      }
      this.#labelGap("truncate", label, ordinal, part);
    }
  }

  /** After what came before it of the label. */
  #labelGap(reason: "truncate" | "too_large", { oid, graph, name }: Label, ordinal: number, part = 0): void {
    const transaction = this.#current;
    this.#merger.finishLabel(oid);
    const position = { commitLsn: transaction.commitLsn, ordinal };
    this.#out.push({ kind: "gap", reason, transaction, position, part, graph, label: name });
  }

  #traceparentMessage(message: LogicalMessage, ordinal: number): void {
    if (!message.transactional) return;
    const traceparent = traceparentIn(message);
    if (traceparent === undefined) this.#ignored.add("bad_traceparent", this.#current, ordinal);
    else this.#traceparent = traceparent;
  }

  #telemetryMessage({ content, lsn, transactional }: LogicalMessage, ordinal: number): void {
    const payload = readTelemetry(content);
    if ("fault" in payload) return this.#ignoredTelemetry.add(payload, { lsn: formatLsn(lsn) });
    const { graph, twinId } = payload;
    if (!this.#labels.wantsGraph(graph)) return this.#ignoredTelemetry.addForeign();
    this.#metrics.telemetry.inc({ way: "message" });
    // Where its record ends, another may begin, and be the commit of a transaction: its last byte is its own alone.
    const transaction = transactional ? this.#current : instantTransaction(this.#now(), lsn - 1n);
    const position = { commitLsn: transaction.commitLsn, ordinal };
    const traceparent = transactional ? this.#traceparent : undefined;
    this.#merger.finishKey(graph, twinId);
    this.#out.push({
      kind: "telemetry",
      ...payload,
      transaction,
      position,
      part: 0,
      ...(traceparent !== undefined && { traceparent }),
    });
  }

  /** Of this router's slot; what others have missed, it has not. */
  #gapMessage(content: LogicalMessage, ordinal: number): void {
    if (!content.transactional) return;
    const transaction = this.#current;
    const message = readGapMessage(content);
    if (!message) return this.#ignored.add("bad_gap_message", transaction, ordinal);
    const { slot, reason, graphs, from, to } = message;
    if (slot !== this.#slot) return;
    const position = { commitLsn: transaction.commitLsn, ordinal };
    for (const [part, graph] of graphs.entries()) {
      this.#out.push({ kind: "gap", reason, transaction, position, part, graph, span: { from, to } });
    }
  }

  #snapshotMark(content: LogicalMessage, ordinal: number): void {
    if (!content.transactional) return;
    const transaction = this.#current;
    const message = readSnapshotMessage(content);
    if (!message) return this.#ignored.add("bad_snapshot_message", transaction, ordinal);
    const position = { commitLsn: transaction.commitLsn, ordinal };
    this.#out.push({ kind: "snapshot", message, transaction, position });
  }

  #emit(run: RowRun): void {
    const changes = changesOf(run, this.#current);
    if (typeof changes === "string") {
      this.#ignored.add(changes, this.#current, run.ordinal, run.label);
      return;
    }
    for (const change of changes) {
      this.#metrics.changes.inc({ entity: change.entity, action: change.action });
      this.#out.push(change);
    }
  }
}
