import assert from "node:assert/strict";
import type { Sql, TransactionSql } from "postgres";
import type { SeededRandom } from "./seeded_random.ts";

/** What the tests look at in a delivered event. */
export interface DeliveredEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly sequence: string;
  readonly data: {
    readonly n?: number;
    readonly patch?: readonly { readonly path: string; readonly value: unknown }[];
  };
}

/** One committed change of a twin, as an event should tell it: `Create 7`, `Update 8`, `Delete`. */
type Entry = string;

/**
 * Writes random changes of a few twins and knows what must arrive: each state of a twin has a number `n` of its own.
 * Transactions have several changes, some are rolled back, some have savepoints that are.
 */
export class Ledger {
  readonly #sql: Sql;
  readonly #random: SeededRandom;
  /** By twin: its committed changes in order. */
  readonly #entries = new Map<string, Entry[]>();
  /** The twins that exist now. */
  #present = new Set<string>();
  #number = 0;

  constructor(sql: Sql, random: SeededRandom) {
    this.#sql = sql;
    this.#random = random;
  }

  /** Writes so many transactions. */
  async write(transactions: number): Promise<void> {
    for (let i = 0; i < transactions; i++) await this.#transaction();
  }

  async #transaction(): Promise<void> {
    const present = new Set(this.#present);
    const entries = new Map<string, Entry[]>();
    const twins = Array.from({ length: 1 + this.#random.below(5) }, () => `twin-${this.#random.below(12)}`);
    const outcome = this.#random.below(10);
    const rollback = new Error("rolled back on purpose");
    try {
      await this.#sql.begin(async (sql) => {
        // A twin changes once in a transaction: runs of changes of one row are merged into one event.
        for (const twin of new Set(twins)) await this.#change(sql, twin, present, entries);
        if (outcome < 2) {
          await sql.savepoint(async (nested) => {
            await this.#change(nested, "never-there", new Set(), new Map());
            throw rollback;
          }).catch((error) => {
            if (error !== rollback) throw error;
          });
        } else if (outcome < 3) throw rollback;
      });
    } catch (error) {
      if (error !== rollback) throw error;
      return;
    }
    this.#present = present;
    for (const [twin, added] of entries) {
      const known = this.#entries.get(twin);
      if (known) known.push(...added);
      else this.#entries.set(twin, added);
    }
  }

  async #change(
    sql: Sql | TransactionSql,
    twin: string,
    present: Set<string>,
    entries: Map<string, Entry[]>,
  ): Promise<void> {
    const n = ++this.#number;
    const properties = `{"n": ${n}, "$dtId": "${twin}", "$metadata": {"$model": "dtmi:example:Counter;1"}}`;
    const identity = `%"$dtId": "${twin}"%`;
    let entry: Entry;
    if (!present.has(twin)) {
      await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${properties})`;
      present.add(twin);
      entry = `Create ${n}`;
    } else if (this.#random.below(5) === 0) {
      await sql`DELETE FROM digitaltwins."Twin" WHERE properties::text LIKE ${identity}`;
      present.delete(twin);
      entry = "Delete";
    } else {
      await sql`UPDATE digitaltwins."Twin" SET properties = ${properties} WHERE properties::text LIKE ${identity}`;
      entry = `Update ${n}`;
    }
    const known = entries.get(twin);
    if (known) known.push(entry);
    else entries.set(twin, [entry]);
  }

  /** Throws unless the events are what was committed, in order for each twin, repeats aside, which have equal ids. */
  verify(events: readonly DeliveredEvent[], where: string): void {
    const firsts = new Map<string, DeliveredEvent>();
    for (const event of events) {
      const first = firsts.get(event.id);
      if (first) assert.deepEqual(event, first, `${where}: a repeat differs from the first`);
      else firsts.set(event.id, event);
    }
    const arrived = new Map<string, Entry[]>();
    for (const event of firsts.values()) {
      const entries = arrived.get(event.subject) ?? [];
      entries.push(entryOf(event));
      arrived.set(event.subject, entries);
    }
    const bySubject = (map: Map<string, Entry[]>) => Object.fromEntries([...map].sort());
    assert.deepEqual(
      bySubject(arrived),
      bySubject(this.#entries),
      `${where}: what arrived is what was committed`,
    );
  }
}

function entryOf(event: DeliveredEvent): Entry {
  const action = event.type.slice(event.type.lastIndexOf(".") + 1);
  switch (action) {
    case "Create":
      return `Create ${event.data.n}`;
    case "Update":
      return `Update ${event.data.patch?.find(({ path }) => path === "/n")?.value}`;
    default:
      return action;
  }
}
