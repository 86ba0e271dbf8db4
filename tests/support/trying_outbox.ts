import type { Lsn } from "../../src/postgres/lsn.ts";
import { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import type { Outbox, OutboxRange, OutboxTotals, ParkedEvent } from "../../src/deliver/store/outbox.ts";

/** An outbox in memory that fails, waits, and says where its WAL is, as a test wants it to. */
export class TryingOutbox implements Outbox, AsyncDisposable {
  readonly #store = new SqliteStore(":memory:", "one");
  /** Everything fails with it. */
  broken: Error | undefined;
  /** Nothing more can be written, while all can be read. */
  isFull = false;
  /** Each call waits for this. */
  gate: Promise<void> = Promise.resolve();
  /** What `totals` has found is told after this. */
  answer: Promise<void> = Promise.resolve();
  /** Where the next events are in the WAL. */
  lsn: Lsn | undefined;
  /** A write comes through, and yet fails. */
  forgetful = false;
  writes = 0;
  mostAtOnce = 0;
  parked = 0;

  async totals(sink: string, after: number): Promise<OutboxTotals> {
    await this.#try();
    const { answer } = this;
    const totals = await this.#store.outbox.totals(sink, after);
    await answer;
    return totals;
  }

  async park(sink: string, events: readonly ParkedEvent[]): Promise<Lsn | undefined> {
    await this.#try();
    if (this.isFull) throw new Error("database or disk is full");
    await this.#store.outbox.park(sink, events);
    this.writes++;
    this.mostAtOnce = Math.max(this.mostAtOnce, events.length);
    this.parked += events.length;
    if (this.forgetful) throw new Error("connection reset");
    return this.lsn;
  }

  async page(sink: string, range: OutboxRange): Promise<readonly ParkedEvent[]> {
    await this.#try();
    return await this.#store.outbox.page(sink, range);
  }

  async forget(sink: string, numbers: readonly number[]): Promise<void> {
    await this.#try();
    await this.#store.outbox.forget(sink, numbers);
  }

  async replace(sink: string, numbers: readonly number[], by: readonly ParkedEvent[]): Promise<void> {
    await this.#try();
    await this.#store.outbox.replace(sink, numbers, by);
  }

  /** The ids of what is there, in order. */
  async ids(sink = "Sink0"): Promise<string[]> {
    const all = { after: 0, upTo: Number.MAX_SAFE_INTEGER, maxEvents: 1e6, maxBytes: 1e9 };
    return (await this.#store.outbox.page(sink, all)).map(({ event }) => event.id);
  }

  async #try(): Promise<void> {
    await this.gate;
    if (this.broken) throw this.broken;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store[Symbol.asyncDispose]();
  }
}
