import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Sql } from "../postgres/connection/sql.ts";
import { sqlState } from "../postgres/connection/sql_state.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { SnapshotRequest } from "../postgres/snapshot/snapshot_message.ts";
import { SnapshotStore } from "../postgres/snapshot/snapshot_store.ts";
import { SnapshotRun } from "./snapshot_run.ts";
import type { SnapshotOrigin } from "./twin_change.ts";

/** When what could not be saved is tried again, in milliseconds; what is confirmed meanwhile tries, too. */
const SAVE_AGAIN = 5_000;

/** How long the last save may take when the router stops, in milliseconds. */
const LAST_SAVE = 2_000;

export interface SnapshotLedgerOptions {
  /** Of the server that is streamed from; throws without a connection. */
  readonly sql: () => Sql;
  readonly slot: string;
  readonly log: Log;
  /** Why a snapshot cannot be served, if it cannot. */
  readonly refuse: (wish: Omit<SnapshotOrigin, "id">) => string | undefined;
}

/**
 * The snapshots of a router in the order in which they are served, those that are asked for, and how far each has come: that
 * is kept in the database once all sinks have settled what was told. Nothing of it makes the stream wait.
 */
export class SnapshotLedger {
  readonly #options: SnapshotLedgerOptions;
  readonly #log: Log;
  #runs: SnapshotRun[] = [];
  /** Not in the store yet. */
  readonly #asked: SnapshotRequest[] = [];
  #isLoaded = false;
  #saving: Promise<void> | undefined;
  #saveAgain: ReturnType<typeof setTimeout> | undefined;
  #hasFailed = false;
  #isClosed = false;
  #since = Date.now();

  constructor(options: SnapshotLedgerOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Those that are not finished; the first is served. */
  get runs(): readonly SnapshotRun[] {
    return this.#runs;
  }

  /** When one came or went last. */
  get since(): number {
    return this.#since;
  }

  /** What is asked for and would be lost if its place in the WAL were confirmed. */
  get asked(): readonly SnapshotRequest[] {
    return this.#asked;
  }

  /** Takes a request, unless it is another router's or cannot be served. */
  ask(request: SnapshotRequest): void {
    const { slot, id } = request;
    if (slot !== this.#options.slot || this.#asked.some((other) => other.id === id)) return;
    const refusal = this.#options.refuse(request);
    if (refusal === undefined) this.#asked.push(request);
    else this.#log.warn(`Cannot serve a request for a snapshot: ${refusal}`, { snapshot: id });
  }

  /** The one that is to be told, after what the store has, and what was asked for, has been taken in. */
  async next(): Promise<SnapshotRun | undefined> {
    if (!this.#isLoaded) await this.#load();
    for (let [request] = this.#asked; request; [request] = this.#asked) {
      await this.#add(request);
      this.#asked.shift();
    }
    return this.#runs.find((run) => !run.isAllTold);
  }

  /** Whether `next` has nothing to take in or to give. */
  get isIdle(): boolean {
    return this.#isLoaded && this.#asked.length === 0 && this.#runs.every((run) => run.isAllTold);
  }

  /** Every sink has settled what was before `lsn`. */
  confirmed(lsn: Lsn): void {
    for (const run of this.#runs) run.confirmed(lsn);
    this.#save();
  }

  /** A run has no more rows. */
  end(run: SnapshotRun): void {
    run.end();
    this.#save();
  }

  /** Keeps what has been confirmed, as far as that can be done soon. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#save();
    clearTimeout(this.#saveAgain);
    const late = new AbortController();
    await Promise.race([this.#saving, delay(LAST_SAVE, undefined, { signal: late.signal })]);
    late.abort();
  }

  /** Keeps nothing any more: the database has another history. */
  abandon(): void {
    this.#isClosed = true;
    this.#runs = [];
    clearTimeout(this.#saveAgain);
  }

  get #store(): SnapshotStore {
    return new SnapshotStore(this.#options.sql(), this.#options.slot);
  }

  async #load(): Promise<void> {
    const store = this.#store;
    const { exists, writable } = await store.rights();
    if (exists && !writable) {
      this.#log.warn(
        "Cannot look for unfinished snapshots: this role may not use digitaltwins_eventing.snapshots",
      );
    }
    for (const snapshot of writable ? await store.unfinished() : []) {
      const refusal = this.#options.refuse(snapshot);
      if (refusal === undefined) this.#push(new SnapshotRun(snapshot));
      else this.#log.warn(`Cannot go on with a snapshot: ${refusal}`, { snapshot: snapshot.id });
    }
    this.#isLoaded = true;
  }

  async #add(request: SnapshotRequest): Promise<void> {
    const { id } = request;
    if (this.#runs.some((run) => run.id === id)) return;
    try {
      await this.#store.prepare();
      // One that is finished comes again if the end of it was not confirmed to the server.
      if (await this.#store.add(request)) this.#push(new SnapshotRun({ ...request, rows: 0 }));
    } catch (error) {
      if (!isRefused(error)) throw error;
      this.#log.error(`Cannot serve a request for a snapshot: ${messageOf(error)}`, { snapshot: id });
    }
  }

  #push(run: SnapshotRun): void {
    if (this.#runs.some(({ id }) => id === run.id)) return;
    this.#runs.push(run);
    this.#since = Date.now();
  }

  /** In the background; what cannot be saved now is saved later. */
  #save(): void {
    if (!this.#saving && this.#unsavedRun()) this.#saving = this.#saveAll();
  }

  async #saveAll(): Promise<void> {
    try {
      for (let run = this.#unsavedRun(); run; run = this.#unsavedRun()) await this.#saveOne(run);
      this.#hasFailed = false;
    } catch (error) {
      // The loss of a connection is told by who needs it more.
      if (!this.#hasFailed && sqlState(error) !== undefined) {
        this.#log.warn("Cannot keep how far a snapshot has come; it is tried again", { error });
      }
      this.#hasFailed = true;
      clearTimeout(this.#saveAgain);
      if (!this.#isClosed) this.#saveAgain = setTimeout(() => this.#save(), SAVE_AGAIN);
    } finally {
      this.#saving = undefined;
    }
  }

  async #saveOne(run: SnapshotRun): Promise<void> {
    const state = run.takeUnsaved();
    try {
      if (state.isLast) await this.#store.finish(run.id, state.rows);
      else if (state.cursor) await this.#store.saveCursor(run.id, state.cursor, state.rows);
    } catch (error) {
      run.giveBack(state);
      throw error;
    }
    if (!state.isLast) return;
    this.#runs = this.#runs.filter((other) => other !== run);
    this.#since = Date.now();
    this.#log.info("Snapshot is delivered", { snapshot: run.id, rows: state.rows });
  }

  #unsavedRun(): SnapshotRun | undefined {
    return this.#runs.find((run) => run.isUnsaved);
  }
}

/** Whether the server would say no the next time, too: data (22), transaction state (25), syntax or access rule (42). */
function isRefused(error: unknown): boolean {
  return /^(22|25|42)/.test(sqlState(error) ?? "");
}
