import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../../observe/message_of.ts";
import { type DeliveryStore, StoreRefusal } from "./delivery_store.ts";
import { SqliteCheckpoints } from "./sqlite_checkpoints.ts";
import { SqliteDeadLetters } from "./sqlite_dead_letters.ts";
import { SqliteOutbox } from "./sqlite_outbox.ts";

/** What stands in for a table that others may have made. */
const STATEMENTS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS dead_letter_queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    slot TEXT NOT NULL,
    sink TEXT NOT NULL,
    route TEXT NOT NULL,
    reason TEXT NOT NULL,
    kind TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_time REAL NOT NULL,
    last_time REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    graph TEXT,
    event TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS dead_letters_by_status ON dead_letter_queue (status);
  CREATE TABLE IF NOT EXISTS outbox (
    slot TEXT NOT NULL,
    sink TEXT NOT NULL,
    number INTEGER NOT NULL,
    route TEXT NOT NULL,
    graph TEXT NOT NULL,
    committed_at REAL NOT NULL,
    parked_at REAL NOT NULL,
    bytes INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (slot, sink, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoints (
    slot TEXT NOT NULL,
    sink TEXT NOT NULL,
    system_identifier TEXT NOT NULL,
    timeline INTEGER NOT NULL,
    sequence TEXT NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (slot, sink)
  ) STRICT;
`;

/** The store in a file of its own, for sources where the router may not write. Each write is on disk when it returns. */
export class SqliteStore implements DeliveryStore {
  readonly deadLetters: SqliteDeadLetters;
  readonly outbox: SqliteOutbox;
  readonly checkpoints: SqliteCheckpoints;
  readonly #path: string;
  #database: DatabaseSync | undefined;

  constructor(path: string, slot: string) {
    this.#path = path;
    const access: SqliteAccess = { slot, use: (work) => this.#use(work) };
    this.deadLetters = new SqliteDeadLetters(access);
    this.outbox = new SqliteOutbox(access);
    this.checkpoints = new SqliteCheckpoints(access);
  }

  prepare(): Promise<void> {
    return this.#use(() => {});
  }

  async refusal(): Promise<StoreRefusal | undefined> {
    const isNew = await Deno.lstat(this.#path).then(() => false, () => true);
    try {
      await this.prepare();
      return undefined;
    } catch (error) {
      return error as StoreRefusal;
    } finally {
      await this[Symbol.asyncDispose]();
      if (isNew) await Deno.remove(this.#path).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database?.close();
    this.#database = undefined;
  }

  async #use<Result>(work: (database: DatabaseSync) => Result): Promise<Result> {
    return work(this.#database ??= open(this.#path));
  }
}

/** How the parts of the store get at the file. */
export interface SqliteAccess {
  readonly slot: string;
  use<Result>(work: (database: DatabaseSync) => Result): Promise<Result>;
}

/** Everything of `work` is there or nothing. */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk may have ended the transaction by itself.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function open(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path);
    try {
      database.exec(STATEMENTS);
    } catch (error) {
      database.close();
      throw error;
    }
    return database;
  } catch (error) {
    throw new StoreRefusal(`Cannot keep dead letters and parked events in '${path}': ${messageOf(error)}`, {
      cause: error,
    });
  }
}
