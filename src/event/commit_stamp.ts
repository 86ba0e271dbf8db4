import type { Position, Transaction } from "../postgres/row_change.ts";
import type { EventFormat } from "./cloud_event.ts";
import { EventIds } from "./event_id.ts";

/** Milliseconds from 1970 to 2000, where PostgreSQL's time begins. */
const EPOCH = Date.UTC(2000, 0, 1);

/** What all events of a transaction have in common, made once. */
export class CommitStamp {
  /** RFC 3339, UTC, microseconds. */
  readonly time: string;
  /** The same in ticks of 100 ns, of which Azure Digital Twins writes seven digits. */
  readonly timeInTicks: string;
  /** Milliseconds since 1970. */
  readonly committedAt: number;
  readonly #ids: EventIds;
  readonly #sequencePrefix: string;

  constructor(systemIdentifier: string, database: string, transaction: Transaction) {
    const { commitLsn, commitTime } = transaction;
    const microseconds = Number((commitTime % 1000n + 1000n) % 1000n);
    const milliseconds = Number((commitTime - BigInt(microseconds)) / 1000n) + EPOCH;
    const digits = `${new Date(milliseconds).toISOString().slice(0, -1)}${
      String(microseconds).padStart(3, "0")
    }`;
    this.time = `${digits}Z`;
    this.timeInTicks = `${digits}0Z`;
    this.committedAt = milliseconds + microseconds / 1000;
    this.#ids = EventIds.ofTransaction(systemIdentifier, database, transaction);
    this.#sequencePrefix = `${commitLsn.toString(16).padStart(16, "0")}-`;
  }

  id(position: Position, format: EventFormat, index: number): string {
    return this.#ids.of(position.ordinal, format, index);
  }

  /** Commit LSN, ordinal and event index: text order is commit order. */
  sequence({ ordinal }: Position, index: number): string {
    return this.#sequencePrefix + ordinal.toString(16).padStart(8, "0") + "-" +
      index.toString(16).padStart(4, "0");
  }
}
