import { UnsettledEvent } from "./checkpoint.ts";
import type { OutboxLedger } from "./outbox_ledger.ts";
import type { OutboxTrouble } from "./outbox_trouble.ts";
import { type Origin, QueuedEvent } from "./pending_events.ts";
import { type Outbox, OUTBOX_PAGE } from "./store/outbox.ts";

export interface OutboxReaderSurroundings {
  readonly outbox: Outbox | undefined;
  readonly ledger: OutboxLedger;
  readonly trouble: OutboxTrouble;
  /** Of what is read. */
  readonly origin: Origin;
  /** The event is the worker's. */
  readonly enqueue: (event: QueuedEvent) => void;
}

/** Gives a sink's worker what is in the outbox, a page at a time and in order. */
export class OutboxReader {
  readonly #sink: string;
  readonly #of: OutboxReaderSurroundings;
  #reading: Promise<void> | undefined;

  constructor(sink: string, surroundings: OutboxReaderSurroundings) {
    this.#sink = sink;
    this.#of = surroundings;
  }

  /** What is under way; never rejects. */
  get reading(): Promise<void> | undefined {
    return this.#reading;
  }

  /** Reads the next page, while no other is being read. @param ended called once that has ended */
  read(ended: () => void): void {
    this.#reading = this.#readPage().catch((error: unknown) => this.#of.trouble.failed("read", error))
      .finally(() => {
        this.#reading = undefined;
        ended();
      });
  }

  async #readPage(): Promise<void> {
    const { outbox, ledger, trouble, origin, enqueue } = this.#of;
    const supposed = ledger.unread;
    const rows = await outbox?.page(this.#sink, ledger.rangeOf(OUTBOX_PAGE)) ?? [];
    const { generation } = ledger;
    trouble.worked("read");
    if (rows.length === 0) ledger.foundNone(supposed); // somebody has emptied it
    for (const row of rows) {
      const { number, route, graph, committedAt, event: cloudEvent } = row;
      const unsettled = new UnsettledEvent({ event: { ...cloudEvent, graph }, graph, committedAt }, Infinity);
      const event = new QueuedEvent(unsettled, route, origin);
      event.parking = { number, generation, state: "parked", isSettled: false };
      ledger.read(row);
      enqueue(event);
    }
  }
}
