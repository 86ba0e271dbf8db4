import type { ConnectionOptions } from "../../postgres/connection/connection_options.ts";
import { LostSessions } from "../../postgres/connection/lost_sessions.ts";
import { type OpenSql, openSql, type Sql } from "../../postgres/connection/sql.ts";
import { makeEventingTables } from "../../postgres/eventing_schema.ts";
import { type Lsn, parseLsn } from "../../postgres/lsn.ts";
import { type DeliveryStore, StoreRefusal } from "./delivery_store.ts";
import { PostgresCheckpoints } from "./postgres_checkpoints.ts";
import { PostgresDeadLetters } from "./postgres_dead_letters.ts";
import { PostgresOutbox } from "./postgres_outbox.ts";
import { readStoreState, STORE_STATEMENTS } from "./postgres_schema.ts";

/** Milliseconds after which a server that does not answer counts as lost. */
const PATIENCE = 30_000;

/**
 * The store in the source's database: the schema `digitaltwins_eventing`. It has connections of its own, to whichever
 * host takes writes; they are made when they are needed, and again after a loss. What a lost one was at is over before
 * anything else is begun.
 */
export class PostgresStore implements DeliveryStore {
  readonly deadLetters: PostgresDeadLetters;
  readonly outbox: PostgresOutbox;
  readonly checkpoints: PostgresCheckpoints;
  readonly #connection: ConnectionOptions;
  readonly #patience: number;
  readonly #lost = new LostSessions();
  #sql: OpenSql | undefined;
  #givenUp: Promise<unknown> = Promise.resolve();
  /** How many calls have no answer yet. */
  #underWay = 0;
  #prepared: Promise<void> | undefined;
  #isThere = false;
  #isClosed = false;

  constructor(connection: ConnectionOptions, slot: string, patience = PATIENCE) {
    this.#connection = { ...connection, targetSessionAttrs: "read-write" };
    this.#patience = patience;
    const access: PostgresAccess = {
      slot,
      read: async (work) => {
        if (!this.#isThere) {
          const { exists, usable } = await this.#use(readStoreState);
          this.#isThere = exists && usable;
        }
        return this.#isThere ? await this.#use(work) : undefined;
      },
      write: async (work) => {
        await this.prepare();
        return await this.#use(work);
      },
      record: (work) =>
        access.write(async (sql) => {
          await work(sql);
          const [row] = await sql<{ lsn: string }[]>`SELECT pg_current_wal_flush_lsn()::text AS lsn`;
          return parseLsn(row?.lsn ?? "");
        }),
    };
    this.deadLetters = new PostgresDeadLetters(access);
    this.outbox = new PostgresOutbox(access);
    this.checkpoints = new PostgresCheckpoints(access);
  }

  prepare(): Promise<void> {
    return this.#prepared ??= this.#use(make).catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
  }

  async refusal(): Promise<StoreRefusal | undefined> {
    return refusalOf(await this.#use(readStoreState));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const sql = this.#sql;
    this.#sql = undefined;
    await Promise.all([this.#givenUp, this.#underWay > 0 ? sql?.giveUp() : sql?.end({ timeout: 1 })]);
  }

  /** A server that is frozen, or gone without a word, would never answer. */
  async #use<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    if (this.#isClosed) throw new Error("Cannot use the store: it is closed");
    const sql = this.#sql ??= openSql(this.#connection, { lost: this.#lost });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      if (this.#sql === sql) {
        this.#sql = undefined;
        this.#givenUp = Promise.all([this.#givenUp, sql.giveUp()]).then(() => {});
      }
      reject(new Error(`Cannot use the store: no answer for ${this.#patience / 1000} s`));
    }, this.#patience);
    this.#underWay++;
    try {
      return await Promise.race([this.#lost.end(sql).then(() => work(sql)), late]);
    } finally {
      this.#underWay--;
      clearTimeout(timer);
    }
  }
}

/** How the parts of the store get at the database. */
export interface PostgresAccess {
  readonly slot: string;
  /** Undefined where there is no store, or none that may be used. */
  read<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result | undefined>;
  write<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** Writes what positions of the stream rely on, and resolves to where the WAL has it. */
  record(work: (sql: Sql) => Promise<unknown>): Promise<Lsn>;
}

async function make(sql: Sql): Promise<void> {
  const state = await readStoreState(sql);
  const refusal = refusalOf(state);
  if (refusal) throw refusal;
  if (state.exists) return;
  await makeEventingTables(sql, STORE_STATEMENTS);
}

function refusalOf({ usable, remedy, role }: Awaited<ReturnType<typeof readStoreState>>) {
  if (usable) return undefined;
  return new StoreRefusal(
    `Cannot keep dead letters and parked events in the database: role ${role} may not write the schema ` +
      "digitaltwins_eventing. Name a file instead with store: { sqlite: <path> }, or run as a superuser:\n" +
      remedy.map((statement) => `${statement};`).join("\n"),
  );
}
