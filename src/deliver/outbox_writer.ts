import { isWorthTelling } from "../observe/is_worth_telling.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { Clock } from "../sink/clock.ts";
import type { UnsettledEvent } from "./checkpoint.ts";
import { dropOldest } from "./drop_oldest.ts";
import type { HeldEvents } from "./held_events.ts";
import type { OutboxLedger } from "./outbox_ledger.ts";
import type { OutboxTrouble } from "./outbox_trouble.ts";
import type { OutstandingEvents } from "./outstanding_events.ts";
import type { QueuedEvent } from "./pending_events.ts";
import type { SinkSettings } from "./sink_settings.ts";
import { type Outbox, OUTBOX_PAGE, type ParkedEvent } from "./store/outbox.ts";

/** What is written at once. */
const BATCH = { maxEvents: 1_000, maxBytes: 4 * 1024 * 1024 };

/**
 * Milliseconds from one batch's beginning to the next one's, unless much waits. Each takes a commit, whatever its size, and
 * at the store's own pace these would be hundreds a second, at the cost of the sinks that are well and of the database.
 */
const INTERVAL = 50;

export interface OutboxWriterSurroundings {
  readonly outbox: Outbox | undefined;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly gapType: (route: string) => string;
  readonly ledger: OutboxLedger;
  readonly trouble: OutboxTrouble;
  readonly outstanding: OutstandingEvents;
  readonly held: HeldEvents;
  /** What is being read meanwhile, which is not to be dropped. */
  readonly reading: () => Promise<void> | undefined;
  /** Events that are settled from now on rely on what the source's WAL has before this. */
  readonly stored: (lsn: Lsn | undefined) => void;
  /** The event is safe, whatever its sink does. */
  readonly settle: (unsettled: UnsettledEvent) => void;
  /** The sink had settled the event before it was known to be in the outbox; it has to leave that again. */
  readonly leave: (event: QueuedEvent) => void;
  /** The sink had settled the event before it was known whether it is in the outbox. */
  readonly settled: (event: QueuedEvent) => void;
}

/**
 * Writes to the outbox what a sink has not settled, the oldest first, as much as may be parked; makes room for it where the
 * oldest are dropped for new ones.
 */
export class OutboxWriter {
  #settings: SinkSettings;
  readonly #of: OutboxWriterSurroundings;
  #writing: Promise<void> | undefined;
  /** When the last batch was begun, by the steady clock. */
  #begunAt = -Infinity;
  #cancelWait: (() => void) | undefined;
  #isDropping = false;
  #isFull = false;
  /** How often something was dropped. */
  #dropped = 0;

  constructor(settings: SinkSettings, surroundings: OutboxWriterSurroundings) {
    this.#settings = settings;
    this.#of = surroundings;
  }

  /** What is under way; never rejects. */
  get writing(): Promise<void> | undefined {
    return this.#writing;
  }

  /** What nobody has read may be gone in a moment: nothing is to be read. */
  get isDropping(): boolean {
    return this.#isDropping;
  }

  /** No more may be parked for now. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Other settings count from now on. */
  serve(settings: SinkSettings): void {
    this.#settings = settings;
  }

  /** Nothing waits to be written any more. */
  isOver(): void {
    this.#isFull = false;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /**
   * Writes a batch, unless one is under way, it is too early for the next, or nothing may be parked.
   * @param inHurry it is not too early
   * @param changed called once it is not too early any more, or the batch was written
   */
  write(inHurry: boolean, changed: () => void): void {
    if (this.#writing) return;
    const { clock, held } = this.#of;
    const early = this.#begunAt + INTERVAL - clock.steady();
    const isMuch = held.events >= BATCH.maxEvents || held.bytes >= BATCH.maxBytes ||
      held.isHalfFull(this.#settings.queue);
    if (early > 0 && !inHurry && !isMuch) {
      this.#cancelWait ??= clock.after(early, () => {
        this.#cancelWait = undefined;
        changed();
      });
      return;
    }
    const batch = this.#nextBatch();
    if (batch.length === 0) return;
    this.#begunAt = clock.steady();
    this.#writing = this.#writeBatch(batch).finally(() => {
      this.#writing = undefined;
      changed();
    });
  }

  /** As much as may be parked; what the worker has may in any case. */
  #nextBatch(): QueuedEvent[] {
    const batch: QueuedEvent[] = [];
    let bytes = 0;
    const { maxParkedBytes = 0, whenFull = "block" } = this.#settings.parking ?? {};
    const isClosed = whenFull === "block" && this.#isTooOld;
    let isFull = false;
    for (let event = this.#of.outstanding.oldest; event; event = event.newer) {
      const size = event.unsettled.bytes;
      if (batch.length >= BATCH.maxEvents || (batch.length > 0 && bytes + size > BATCH.maxBytes)) break;
      const isBeyond = isClosed || this.#of.ledger.bytes + bytes + size > maxParkedBytes;
      if (whenFull === "block" && event.isHeld && isBeyond && this.#of.ledger.events + batch.length > 0) {
        isFull = true;
        break;
      }
      batch.push(event);
      bytes += size;
    }
    isFull &&= batch.length === 0;
    if (isFull && !this.#isFull) {
      const { bytes: parkedBytes, events: parkedEvents } = this.#of.ledger;
      const { name: sink } = this.#settings;
      this.#of.log.warn("Sink's outbox is full: PostgreSQL keeps what comes next", {
        sink,
        parkedEvents,
        parkedBytes,
      });
    }
    this.#isFull = isFull;
    return batch;
  }

  /** The oldest has waited for too long. */
  get #isTooOld(): boolean {
    const { oldestParkedAt: parkedAt } = this.#of.ledger;
    return parkedAt !== undefined && parkedAt < this.#oldestAllowed;
  }

  get #oldestAllowed(): number {
    return this.#of.clock.now() - (this.#settings.parking?.maxParkedAge ?? Infinity);
  }

  async #writeBatch(batch: readonly QueuedEvent[]): Promise<void> {
    const { outbox, clock } = this.#of;
    if (!outbox) return;
    const parkedAt = clock.now();
    const generation = this.#of.ledger.generation;
    const rows = batch.map((event): ParkedEvent => {
      const { unsettled: { event: { event: cloudEvent, graph, committedAt }, bytes }, route } = event;
      const number = event.parking?.number ?? this.#of.ledger.nextNumber(clock.now());
      event.parking = { number, generation, state: "writing", isSettled: false };
      return { number, route, graph, committedAt, parkedAt, bytes, event: cloudEvent };
    });
    try {
      await this.#makeRoom(rows.reduce((sum, { bytes }) => sum + bytes, 0));
      const lsn = await outbox.park(this.#settings.name, rows);
      this.#written(batch, parkedAt, lsn);
    } catch (error) {
      for (const event of batch) this.#notWritten(event);
      this.#of.trouble.failed("write", error);
    }
  }

  #written(batch: readonly QueuedEvent[], parkedAt: number, lsn: Lsn | undefined): void {
    this.#of.stored(lsn);
    for (const event of batch) {
      const { parking, unsettled } = event;
      if (!parking) continue;
      this.#of.outstanding.remove(event);
      parking.state = "parked";
      this.#of.ledger.written(event, parking.number, parkedAt, event.isHeld);
      if (event.isHeld) this.#of.held.release(event);
      if (parking.isSettled) this.#of.leave(event);
      this.#of.settle(unsettled);
    }
    this.#of.trouble.worked("write");
  }

  /** It may be there all the same. */
  #notWritten(event: QueuedEvent): void {
    const { parking } = event;
    if (!parking) return;
    parking.state = "unsure";
    if (parking.isSettled) this.#of.settled(event);
  }

  /** Where the oldest events are dropped for new ones, drops as many as have to be, of those that nobody has read. */
  async #makeRoom(bytes: number): Promise<void> {
    const { outbox, metrics, log } = this.#of;
    const { maxParkedBytes = 0, whenFull } = this.#settings.parking ?? {};
    if (whenFull !== "drop-oldest" || !outbox) return;
    const { name: sink } = this.#settings;
    this.#isDropping = true;
    try {
      await this.#of.reading();
      for (let isDone = false; !isDone && this.#of.ledger.unread > 0;) {
        const range = this.#of.ledger.rangeOf(OUTBOX_PAGE);
        const excess = { bytes: this.#of.ledger.bytes + bytes - maxParkedBytes, before: this.#oldestAllowed };
        const dropped = await dropOldest(outbox, sink, range, excess, this.#of.gapType);
        this.#of.ledger.dropped(dropped.rows, dropped.bytes);
        isDone = dropped.isDone;
        if (dropped.events === 0) continue;
        metrics.parkedDropped.inc({ sink }, dropped.events);
        if (!isWorthTelling(++this.#dropped)) continue;
        log.warn("Sink's outbox is full: its oldest events are dropped", {
          sink,
          events: dropped.events,
          times: this.#dropped,
        });
      }
    } finally {
      this.#isDropping = false;
    }
  }
}
