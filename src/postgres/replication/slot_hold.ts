import type { Sql } from "../connection/sql.ts";
import { readSlotState, type SlotState } from "./slot.ts";
import { type Moment, SlotLease, thisMoment } from "./slot_lease.ts";
import type { Source } from "./source.ts";

/** Milliseconds after which a question without an answer is asked anew: by a connection that is gone, none would ever come. */
const PATIENCE = 10_000;

/** The server says that the slot is somebody else's, or nobody's. */
export class SlotTakenError extends Error {
  override readonly name = "SlotTakenError";
}

/** What one connection knows of its having the slot. */
export class SlotHold {
  readonly #slot: string;
  readonly #sql: Sql;
  readonly #process: number;
  readonly #lease: SlotLease;
  readonly #lost = new AbortController();
  /** The question that is not answered, while it may still be. */
  #question: Moment | undefined;
  #isReadOn = false;

  /** @param askedAt a moment before the connection got the slot */
  constructor({ sql, connection, walSenderTimeout }: Source, slot: string, askedAt: Moment) {
    this.#slot = slot;
    this.#sql = sql;
    this.#process = connection.processId;
    this.#lease = new SlotLease(walSenderTimeout, askedAt);
  }

  /** Aborts once the connection is known to be lost; so ends whatever works with it. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether nobody else can have the slot. */
  get isSure(): boolean {
    return !this.#lost.signal.aborted && this.#lease.isHeld;
  }

  /** Whether what is read may be delivered: the slot is sure, and the reader knows of the connection. */
  get isInUse(): boolean {
    return this.#isReadOn && this.isSure;
  }

  /** The reader has taken note of the connection. */
  readOn(): void {
    this.#isReadOn = true;
  }

  lose(reason?: unknown): void {
    this.#lost.abort(reason);
  }

  /**
   * Asks the server whose the slot is, since nothing is heard while nobody reads. Undefined while an earlier question is
   * to be answered. Throws a `SlotTakenError` if it is not this connection's.
   */
  async ask(): Promise<SlotState | undefined> {
    const askedAt = thisMoment();
    if (this.#question && askedAt.steady - this.#question.steady < PATIENCE) return undefined;
    this.#question = askedAt;
    try {
      const state = await readSlotState(this.#sql, this.#slot);
      if (state && state.slot?.activePid !== this.#process) {
        throw new SlotTakenError(`Cannot read on: slot ${this.#slot} is not this router's any more`);
      }
      if (this.#question !== askedAt) return undefined; // a later one counts
      if (state) this.#lease.renew(askedAt);
      return state;
    } finally {
      if (this.#question === askedAt) this.#question = undefined;
    }
  }
}
