import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import { quoteTable } from "../postgres/connection/quote.ts";
import type { Sql } from "../postgres/connection/sql.ts";
import { sqlState } from "../postgres/connection/sql_state.ts";
import type { ReplicationSettings } from "../postgres/replication/replication_settings.ts";
import {
  nextRange,
  readChunk,
  readLastId,
  readSnapshotLabels,
  type SnapshotLabel,
} from "../postgres/snapshot/label_chunks.ts";
import { writeSnapshotMessage } from "../postgres/snapshot/snapshot_message.ts";
import type { ReceivedTransactions } from "./received_transactions.ts";
import type { SnapshotLedger } from "./snapshot_ledger.ts";
import type { SnapshotPassage } from "./snapshot_passage.ts";
import type { SnapshotRun } from "./snapshot_run.ts";
import { SnapshotWindow } from "./snapshot_window.ts";

/** Waits between tries, in milliseconds. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 30_000;

/** The longest wait for what the stream has told already to be seen by a query, in milliseconds. */
const LONGEST_EARLY_WAIT = 1_000;

/** A label with so many rows takes long without an index. */
const MANY_ROWS = 100_000;

/** So many rows that cannot be read are named, of a chunk. */
const MOST_NAMED = 10;

/** How often a snapshot that is under way is mentioned in the log, in milliseconds. */
const PROGRESS_INTERVAL = 10_000;

export interface SnapshotTellerOptions {
  /** Of the server that is streamed from; throws without a connection. */
  readonly sql: () => Sql;
  readonly settings: ReplicationSettings;
  readonly ledger: SnapshotLedger;
  readonly passage: SnapshotPassage;
  readonly received: ReceivedTransactions;
  readonly log: Log;
}

/** Reads the ledger's snapshots chunk by chunk, beside the stream, and has each pass into it between its watermarks. */
export class SnapshotTeller {
  readonly #options: SnapshotTellerOptions;
  readonly #ledger: SnapshotLedger;
  readonly #passage: SnapshotPassage;
  readonly #log: Log;
  /** Ends what is under way for good. */
  readonly #stop = new AbortController();
  #isServing = false;
  /** Resolved by whoever has work, or another connection. */
  #wake = Promise.withResolvers<void>();
  #wait = 0;
  #earlyWait = FIRST_WAIT;
  #mentionedAt = 0;
  /** Tables that have been named for the want of an index. */
  readonly #named = new Set<string>();

  constructor(options: SnapshotTellerOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#passage = options.passage;
    this.#log = options.log;
  }

  /** To be called when there is something to do, or may be done again. */
  serve(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
    if (this.#isServing) return;
    this.#isServing = true;
    void this.#serveAll(this.#stop.signal);
  }

  /** Nothing passes any more. What waits for the server is left to the end of its connection. */
  stop(): void {
    this.#stop.abort();
  }

  async #serveAll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#ledger.isIdle) {
      let run: SnapshotRun | undefined;
      try {
        run = await this.#ledger.next();
        if (run?.isNew) this.#log.info("Snapshot begins", { ...run.snapshot, ...run.progress });
        if (run && !await this.#tellChunk(run, signal)) this.#ledger.end(run);
        this.#wait = 0;
      } catch (error) {
        this.#passage.interrupt();
        if (!signal.aborted) await this.#recover(run, error, signal);
      }
    }
    this.#isServing = false;
  }

  /** False if there are no more rows. */
  async #tellChunk(run: SnapshotRun, signal: AbortSignal): Promise<boolean> {
    const { settings, sql, received } = this.#options;
    run.labels ??= [...await readSnapshotLabels(sql(), settings, run.cursor)];
    for (let [label] = run.labels; label; [label] = run.labels) {
      // What is written from now on the stream tells: no snapshot runs after its writers.
      this.#nameUnindexed(label);
      run.lastRow ??= { id: await readLastId(sql(), label) };
      const range = run.lastRow.id && await nextRange(sql(), label, run.lastIdIn(label), run.lastRow.id);
      if (!range) {
        run.leaveLabel();
        continue;
      }
      const window = new SnapshotWindow(range, label.kind, received);
      const passed = this.#passage.enter(run, window);
      const { slot } = settings;
      await writeSnapshotMessage(sql(), { kind: "low", slot, chunk: window.id });
      window.chunk = await readChunk(sql(), range);
      run.next = { graph: label.graph, label: label.label, lastId: window.chunk.upTo };
      await writeSnapshotMessage(sql(), { kind: "high", slot, chunk: window.id });
      if (await passed === "told") {
        this.#earlyWait = FIRST_WAIT;
        this.#warnOfUnreadable(label, window.unreadable);
      } else {
        await delay(this.#earlyWait, undefined, { signal });
        this.#earlyWait = Math.min(LONGEST_EARLY_WAIT, this.#earlyWait * 2);
      }
      this.#mention(run);
      return true;
    }
    return false;
  }

  #nameUnindexed({ graph, label, estimatedRows = 0, isIndexed }: SnapshotLabel): void {
    const table = quoteTable({ schema: graph, name: label });
    if (isIndexed || estimatedRows < MANY_ROWS || this.#named.has(table)) return;
    this.#named.add(table);
    this.#log.warn(
      `${table} has no index by which it could be read in order: a snapshot reads all of it for every chunk. ` +
        `CREATE INDEX CONCURRENTLY ON ${table} (id) makes that faster.`,
    );
  }

  #mention(run: SnapshotRun): void {
    const now = performance.now();
    if (now - this.#mentionedAt < PROGRESS_INTERVAL) return;
    if (this.#mentionedAt > 0) this.#log.info("Snapshot goes on", { snapshot: run.id, ...run.progress });
    this.#mentionedAt = now;
  }

  async #recover(run: SnapshotRun | undefined, error: unknown, signal: AbortSignal): Promise<void> {
    const [label] = run?.labels ?? [];
    switch (label && sqlState(error)) {
      case "42501": // insufficient_privilege
        if (label) this.#warnOfPrivilege(label, error);
        return run?.leaveLabel();
      case "42P01": // undefined_table
      case "3F000": // invalid_schema_name
        return run?.leaveLabel();
    }
    if (this.#wait === 0) this.#log.warn("Cannot go on with snapshots; it is tried again", { error });
    this.#wait = Math.min(LONGEST_WAIT, Math.max(FIRST_WAIT, this.#wait * 2));
    run?.forgetLabels();
    const timer = new AbortController();
    const waited = delay(this.#wait, undefined, { signal: AbortSignal.any([signal, timer.signal]) });
    await Promise.race([waited, this.#wake.promise]).catch(() => {});
    timer.abort();
    await waited.catch(() => {});
  }

  #warnOfUnreadable({ graph, label }: SnapshotLabel, rows: readonly string[]): void {
    if (rows.length === 0) return;
    this.#log.warn(
      "Cannot read rows for a snapshot, which goes on without them: they are no agtype map, or too large",
      {
        graph,
        label,
        count: rows.length,
        rows: rows.slice(0, MOST_NAMED),
      },
    );
  }

  #warnOfPrivilege({ graph, label }: SnapshotLabel, error: unknown): void {
    this.#log.warn(
      `Cannot read ${graph}.${label} for a snapshot, which goes on without it: ${messageOf(error)}. ` +
        `GRANT SELECT ON ${quoteTable({ schema: graph, name: label })} TO this router's role.`,
    );
  }
}
