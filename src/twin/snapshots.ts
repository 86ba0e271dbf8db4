import { setTimeout as delay } from "node:timers/promises";
import type { PartState } from "../observe/health.ts";
import { type Log, logOf } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Metrics } from "../observe/metrics.ts";
import { quoteTable } from "../postgres/connection/quote.ts";
import type { Sql } from "../postgres/connection/sql.ts";
import { sqlState } from "../postgres/connection/sql_state.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { ReplicationSettings } from "../postgres/replication/replication_settings.ts";
import type { Connected } from "../postgres/replication/stream_chunk.ts";
import { nextRange, readChunk, readSnapshotLabels } from "../postgres/snapshot/label_chunks.ts";
import { type SnapshotRequest, writeSnapshotMessage } from "../postgres/snapshot/snapshot_message.ts";
import { SnapshotStore } from "../postgres/snapshot/snapshot_store.ts";
import { ReceivedTransactions } from "./received_transactions.ts";
import { SnapshotRun } from "./snapshot_run.ts";
import { SnapshotWindow } from "./snapshot_window.ts";
import type { SnapshotMark, TwinItem } from "./twin_change.ts";

/** Waits between tries, in milliseconds. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 30_000;

/** How often a snapshot that is under way is mentioned in the log, in milliseconds. */
const PROGRESS_INTERVAL = 10_000;

/** How long the last save may take when the router stops, in milliseconds. */
const LAST_SAVE = 2_000;

export interface SnapshotsOptions {
  readonly settings: ReplicationSettings;
  readonly metrics: Metrics;
  readonly log?: Log;
  /** Why a request cannot be served, if it cannot. */
  readonly refuse: (request: SnapshotRequest) => string | undefined;
}

/** The chunk on its way: nobody waits for it any more once it is told, or was read too early. */
interface Passage {
  readonly run: SnapshotRun;
  readonly window: SnapshotWindow;
  readonly through: (outcome: "told" | "early") => void;
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
  readonly #stream: { readonly sql: Sql | undefined };
  readonly #options: SnapshotsOptions;
  readonly #log: Log;
  readonly #received = new ReceivedTransactions();
  /** In the order in which they are served. */
  #runs: SnapshotRun[] = [];
  /** Accepted, and not in the store yet. */
  #unsaved: SnapshotRequest[] = [];
  #passage: Passage | undefined;
  /** A chunk whose transaction is not over. */
  #closing: Passage | undefined;
  /** Ends what is under way for good. */
  #stop = new AbortController();
  #isLoaded = false;
  #serving: Promise<void> | undefined;
  #saving: Promise<void> | undefined;
  /** Resolved by the next connection. */
  #reconnected = Promise.withResolvers<void>();
  #wait = 0;
  #mentionedAt = 0;
  #since = Date.now();

  constructor(stream: { readonly sql: Sql | undefined }, options: SnapshotsOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#log = options.log ?? logOf("snapshot");
  }

  /** The stream with the rows of snapshots in it; takes out what snapshots write. */
  async *into(
    batches: AsyncIterable<readonly (TwinItem | Connected)[]>,
  ): AsyncGenerator<readonly (Exclude<TwinItem, SnapshotMark> | Connected)[]> {
    for await (const items of batches) {
      const out: (Exclude<TwinItem, SnapshotMark> | Connected)[] = [];
      let told: Passage | undefined;
      for (const item of items) {
        switch (item.kind) {
          case "snapshot":
            if (item.message.kind === "request") await this.#accept(item.message);
            else this.#pass(item, out);
            continue;
          case "connected":
            await this.#begin(item);
            break;
          case "change":
          case "gap":
            this.#received.add(item.transaction.xid);
            this.#passage?.window.follow(item);
            break;
          case "telemetry":
            break;
          case "settle":
            if (this.#closing) {
              this.#closing.run.toldUpTo(item.lsn);
              told = this.#closing;
              this.#closing = undefined;
            }
            break;
          default:
            item satisfies never;
        }
        out.push(item);
      }
      yield out;
      // Only now the sinks' queues have it all.
      told?.through("told");
    }
  }

  /** Every sink has settled what was before `lsn`. */
  confirmed(lsn: Lsn): void {
    for (const run of this.#runs) run.confirmed(lsn);
    if (this.#runs.some((run) => run.isUnsaved)) this.#save();
  }

  health(): PartState {
    const [run] = this.#runs;
    return {
      name: "snapshots",
      ready: true,
      state: run ? "under way" : "idle",
      since: this.#since,
      ...(run && { facts: { snapshot: run.id, ...run.progress, waiting: this.#runs.length - 1 } }),
    };
  }

  /** Keeps in the database what has been confirmed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#save();
    const late = new AbortController();
    await Promise.race([this.#saving, delay(LAST_SAVE, undefined, { signal: late.signal })]);
    late.abort();
  }

  /** On another timeline nothing of before counts: what the store has is told again from there. */
  async #begin({ sameTimelineAsBefore }: Connected): Promise<void> {
    this.#reconnected.resolve();
    this.#reconnected = Promise.withResolvers();
    // What was on its way is read anew: its high watermark may have been lost with the connection.
    this.#passage?.through("early");
    this.#passage = undefined;
    if (!this.#isLoaded || !sameTimelineAsBefore) await this.#load();
    const requests = this.#unsaved;
    this.#unsaved = [];
    for (const request of requests) await this.#accept(request);
    this.#serve();
  }

  async #load(): Promise<void> {
    this.#stop.abort();
    await this.#serving;
    this.#stop = new AbortController();
    this.#closing = undefined;
    try {
      const snapshots = await this.#store.unfinished();
      this.#runs = snapshots.map((snapshot) => new SnapshotRun(snapshot));
      this.#isLoaded = true;
    } catch (error) {
      this.#log.warn("Cannot look for unfinished snapshots", { error });
    }
  }

  async #accept(request: SnapshotRequest): Promise<void> {
    const { slot, id } = request;
    if (slot !== this.#options.settings.slot || this.#runs.some((run) => run.id === id)) return;
    const refusal = this.#options.refuse(request);
    if (refusal !== undefined) {
      this.#log.warn(`Cannot serve a request for a snapshot: ${refusal}`, { snapshot: id });
      return;
    }
    try {
      await this.#store.prepare();
      await this.#store.add(request);
      this.#runs.push(new SnapshotRun({ ...request, rows: 0 }));
      this.#serve();
    } catch (error) {
      if (sqlState(error) === undefined) this.#unsaved.push(request);
      else {
        this.#log.error(`Cannot serve a request for a snapshot: ${messageOf(error)}`, { snapshot: id });
      }
    }
  }

  /** At a watermark of the chunk that is on its way; those of other chunks, and other routers, mean nothing. */
  #pass(mark: SnapshotMark, out: { push(item: Exclude<TwinItem, SnapshotMark>): unknown }): void {
    const passage = this.#passage;
    if (!passage || mark.message.kind === "request" || mark.message.chunk !== passage.window.id) return;
    if (mark.message.kind === "low") return passage.window.open();
    this.#passage = undefined;
    const rows = passage.window.close(mark, passage.run.snapshot);
    if (!rows) return passage.through("early");
    for (const row of rows) out.push(row);
    this.#options.metrics.snapshotRows.inc(rows.length);
    passage.run.tell(rows.length);
    this.#closing = passage;
  }

  get #store(): SnapshotStore {
    return new SnapshotStore(this.#sql, this.#options.settings.slot);
  }

  get #sql(): Sql {
    const { sql } = this.#stream;
    if (!sql) throw new Error("Cannot work on a snapshot: there is no connection");
    return sql;
  }

  #serve(): void {
    this.#since = Date.now();
    const { signal } = this.#stop;
    this.#serving ??= this.#serveAll(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#log.error("Cannot go on with snapshots", { error });
    }).finally(() => this.#serving = undefined);
  }

  async #serveAll(signal: AbortSignal): Promise<void> {
    for (let run = this.#next(); run && !signal.aborted; run = this.#next()) {
      try {
        if (run.isNew) this.#log.info("Snapshot begins", { ...run.snapshot, ...run.progress });
        if (!await this.#tellChunk(run, signal)) {
          run.end();
          this.#save();
        }
        this.#wait = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#passage = undefined;
        await this.#recover(run, error, signal);
      }
    }
  }

  #next(): SnapshotRun | undefined {
    return this.#runs.find((run) => !run.isAllTold);
  }

  /** False if there are no more rows. */
  async #tellChunk(run: SnapshotRun, signal: AbortSignal): Promise<boolean> {
    const { settings } = this.#options;
    run.labels ??= [...await readSnapshotLabels(this.#sql, settings, run.cursor)];
    for (;;) {
      const [label] = run.labels;
      if (!label) return false;
      const range = await nextRange(this.#sql, label, run.lastIdIn(label));
      if (!range) {
        run.labels.shift();
        continue;
      }
      const window = new SnapshotWindow(range, label.kind, this.#received);
      const { promise: passed, resolve: through, reject } = Promise.withResolvers<"told" | "early">();
      const abandon = () => reject(signal.reason);
      signal.addEventListener("abort", abandon, { once: true });
      try {
        run.next = range;
        this.#passage = { run, window, through };
        passed.catch(() => {});
        const { slot } = settings;
        await writeSnapshotMessage(this.#sql, { kind: "low", slot, chunk: window.id });
        window.chunk = await readChunk(this.#sql, range);
        await writeSnapshotMessage(this.#sql, { kind: "high", slot, chunk: window.id });
        if (await passed === "early") await delay(FIRST_WAIT, undefined, { signal });
      } finally {
        signal.removeEventListener("abort", abandon);
      }
      this.#mention(run);
      return true;
    }
  }

  #mention(run: SnapshotRun): void {
    const now = performance.now();
    if (now - this.#mentionedAt < PROGRESS_INTERVAL) return;
    if (this.#mentionedAt > 0) this.#log.info("Snapshot goes on", { snapshot: run.id, ...run.progress });
    this.#mentionedAt = now;
  }

  async #recover(run: SnapshotRun, error: unknown, signal: AbortSignal): Promise<void> {
    const [label] = run.labels ?? [];
    switch (label && sqlState(error)) {
      case "42501": // insufficient_privilege
        this.#log.warn(
          `Cannot read ${label?.graph}.${label?.label} for a snapshot, which goes on without it: ${
            messageOf(error)
          }. ` +
            `GRANT SELECT ON ${
              quoteTable({ schema: label?.graph ?? "", name: label?.label ?? "" })
            } TO this router's role.`,
        );
        run.labels?.shift();
        return;
      case "42P01": // undefined_table
      case "3F000": // invalid_schema_name
        run.labels?.shift();
        return;
    }
    if (this.#wait === 0) this.#log.warn("Cannot go on with a snapshot; it is tried again", { error });
    this.#wait = Math.min(LONGEST_WAIT, Math.max(FIRST_WAIT, this.#wait * 2));
    run.labels = undefined;
    const timer = new AbortController();
    const waited = delay(this.#wait, undefined, { signal: AbortSignal.any([signal, timer.signal]) });
    await Promise.race([waited, this.#reconnected.promise]).catch(() => {});
    timer.abort();
    await waited.catch(() => {});
  }

  /** In the background; what cannot be saved now is saved with what comes next. */
  #save(): void {
    this.#saving ??= this.#saveAll().catch((error: unknown) => {
      this.#log.debug("Cannot keep how far a snapshot has come", { error });
    }).finally(() => this.#saving = undefined);
  }

  async #saveAll(): Promise<void> {
    for (let run = this.#unsavedRun(); run; run = this.#unsavedRun()) {
      const state = run.takeUnsaved();
      try {
        if (state.isLast) await this.#store.finish(run.id, state.rows);
        else if (state.cursor) await this.#store.saveCursor(run.id, state.cursor, state.rows);
      } catch (error) {
        run.giveBack(state);
        throw error;
      }
      if (!state.isLast) continue;
      this.#runs = this.#runs.filter((other) => other !== run);
      this.#since = Date.now();
      this.#log.info("Snapshot is delivered", { snapshot: run.id, rows: state.rows });
    }
  }

  #unsavedRun(): SnapshotRun | undefined {
    return this.#runs.find((run) => run.isUnsaved);
  }
}
