import type { PartState } from "../observe/health.ts";
import { type Log, logOf } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Sql } from "../postgres/connection/sql.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { ReplicationSettings } from "../postgres/replication/replication_settings.ts";
import type { Connected } from "../postgres/replication/stream_chunk.ts";
import { ReceivedTransactions } from "./received_transactions.ts";
import { SnapshotLedger } from "./snapshot_ledger.ts";
import { SnapshotPassage } from "./snapshot_passage.ts";
import { SnapshotTeller } from "./snapshot_teller.ts";
import type { SnapshotMark, SnapshotOrigin, TwinItem } from "./twin_change.ts";

/** Rows are handed on by so many at once, because each may become many events. */
const MOST_ROWS_AT_ONCE = 100;

export interface SnapshotsOptions {
  readonly settings: ReplicationSettings;
  readonly metrics: Metrics;
  readonly log?: Log;
  /** Why a snapshot cannot be served, if it cannot. */
  readonly refuse: (wish: Omit<SnapshotOrigin, "id">) => string | undefined;
}

/** What stays together while LSNs mean the same. */
interface Serving {
  readonly ledger: SnapshotLedger;
  readonly passage: SnapshotPassage;
  readonly teller: SnapshotTeller;
  readonly received: ReceivedTransactions;
}

/**
 * Puts what is there already into the stream, as creates: all of it when the slot is new, if that is wanted, and whenever
 * somebody asks by a logical message. One snapshot after the other; each chunk by chunk, by key, so that the stream never
 * waits for one.
 *
 * How far a snapshot has come is kept in the database, once all sinks have settled what was told: after a crash what was
 * not is read anew, as it is then.
 * @see https://arxiv.org/abs/2010.12597 (DBLog: A Watermark Based Change-Data-Capture Framework)
 */
export class Snapshots implements AsyncDisposable {
  readonly #stream: { readonly snapshotSql: Sql | undefined };
  readonly #options: SnapshotsOptions;
  readonly #log: Log;
  #serving: Serving;

  constructor(stream: { readonly snapshotSql: Sql | undefined }, options: SnapshotsOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#log = options.log ?? logOf("snapshot");
    this.#serving = this.#begin();
  }

  /** The stream with the rows of snapshots in it; takes out what snapshots write. */
  async *into(
    batches: AsyncIterable<readonly (TwinItem | Connected)[]>,
  ): AsyncGenerator<readonly (Exclude<TwinItem, SnapshotMark> | Connected)[]> {
    for await (const items of batches) {
      let out: (Exclude<TwinItem, SnapshotMark> | Connected)[] = [];
      for (const item of items) {
        const { ledger, passage, received } = this.#serving;
        switch (item.kind) {
          case "snapshot":
            if (item.message.kind === "request") this.#ask(item.message);
            for (const row of passage.reach(item)) {
              this.#options.metrics.snapshotRows.inc();
              if (out.push(row) < MOST_ROWS_AT_ONCE) continue;
              yield out;
              out = [];
            }
            continue;
          case "connected":
            this.#connected(item);
            break;
          case "change":
          case "gap":
            received.add(item.transaction.xid);
            passage.follow(item);
            break;
          case "telemetry":
            break;
          case "settle":
            passage.settle(item.lsn);
            // Until it is kept, a request has its place in the WAL only.
            if (ledger.asked.length > 0) continue;
            break;
          default:
            item satisfies never;
        }
        out.push(item);
      }
      yield out;
      this.#serving.passage.letThrough();
    }
  }

  /** Every sink has settled what was before `lsn`. */
  confirmed(lsn: Lsn): void {
    this.#serving.ledger.confirmed(lsn);
  }

  health(): PartState {
    const { runs: [run, ...waiting], since } = this.#serving.ledger;
    return {
      name: "snapshots",
      ready: true,
      state: run ? "under way" : "idle",
      since,
      ...(run && { facts: { snapshot: run.id, ...run.progress, waiting: waiting.length } }),
    };
  }

  /** Keeps in the database what has been confirmed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#serving.teller.stop();
    await this.#serving.ledger.close();
  }

  #begin(): Serving {
    const { settings, refuse } = this.#options;
    const log = this.#log;
    const sql = () => {
      const { snapshotSql } = this.#stream;
      if (!snapshotSql) throw new Error("Cannot work on a snapshot: there is no connection");
      return snapshotSql;
    };
    const ledger = new SnapshotLedger({ sql, slot: settings.slot, log, refuse });
    const passage = new SnapshotPassage();
    const received = new ReceivedTransactions();
    const teller = new SnapshotTeller({ sql, settings, ledger, passage, received, log });
    return { ledger, passage, teller, received };
  }

  #ask(request: Parameters<SnapshotLedger["ask"]>[0]): void {
    const { ledger, teller } = this.#serving;
    ledger.ask(request);
    teller.serve();
  }

  #connected({ sameTimelineAsBefore, wasElsewhere, isReplacement }: Connected): void {
    if (!sameTimelineAsBefore || wasElsewhere || isReplacement) this.#beginAnew();
    // The high watermark of what was on its way may have been lost with the connection.
    this.#serving.passage.interrupt();
    this.#serving.teller.serve();
  }

  /**
   * On another timeline, or where another router may have told a part, nothing of before counts: what the store has is
   * told again from there.
   */
  #beginAnew(): void {
    const { ledger, teller } = this.#serving;
    teller.stop();
    ledger.abandon();
    this.#serving = this.#begin();
    for (const request of ledger.asked) this.#serving.ledger.ask(request);
  }
}
