import type { UnsettledEvent } from "./checkpoint.ts";
import { ForgottenEvents } from "./forgotten_events.ts";
import { OutageWatch } from "./outage_watch.ts";
import { HeldEvents } from "./held_events.ts";
import { OutboxLedger } from "./outbox_ledger.ts";
import { OutboxReader } from "./outbox_reader.ts";
import { OutboxSurvey } from "./outbox_survey.ts";
import { OutboxTrouble } from "./outbox_trouble.ts";
import { OutboxWriter } from "./outbox_writer.ts";
import { OutstandingEvents } from "./outstanding_events.ts";
import type { ParkingSurroundings } from "./parking_surroundings.ts";
import type { Origin, QueuedEvent } from "./pending_events.ts";
import type { SinkSettings, SinkState } from "./sink_settings.ts";
import type { SinkWorker } from "./sink_worker.ts";
import { type Outbox, OUTBOX_PAGE } from "./store/outbox.ts";
import type { StreamPosition } from "./stream_position.ts";

/**
 * Stands between the stream and a sink's worker. While all is well, events go straight on. Once the sink has taken
 * nothing for `parkAfter`, what it has not settled is written to the outbox, in order; from then on the stream's events
 * go there and the worker's come from there, so that the slot moves on. The worker keeps what it has, to try its sink
 * with. When the sink takes events again and nothing is left unread, the events on their way to the outbox go to the
 * worker instead, and the stream's after them: in one step, so that none is lost or overtaken.
 *
 * `#step` decides what happens next and is called whenever something changed.
 */
export class Parking {
  #settings: SinkSettings;
  readonly #worker: SinkWorker;
  readonly #surroundings: ParkingSurroundings;
  readonly #outstanding = new OutstandingEvents();
  /** Where it was when the sink began to keep its own position. */
  #takenOverAt: StreamPosition | undefined;
  readonly #watch: OutageWatch;
  readonly #forgotten: ForgottenEvents;
  /** Of what is read from the outbox. */
  readonly #origin: Origin = { settled: (event) => this.#leave(event) };

  /** Until it is known what is in the outbox, what comes is kept back as well. */
  #isParked: boolean;
  #isRecalled: boolean;
  #parkedAt = 0;
  /** The same by the steady clock; undefined when nothing was parked. */
  #parkedSince: number | undefined;
  /** What the worker does not have: it is on its way to the outbox. */
  readonly #held = new HeldEvents();
  readonly #ledger: OutboxLedger;
  readonly #trouble: OutboxTrouble;
  readonly #survey: OutboxSurvey;
  readonly #reader: OutboxReader;
  readonly #writer: OutboxWriter;

  #isAwake = false;
  /** Looks at the outbox that are under way, or wait until those before are over; nothing else happens meanwhile. */
  #recalls = 0;
  #recalled: Promise<void> = Promise.resolve();
  #isClosing = false;
  #isClosed = false;
  #isGone = false;

  constructor(settings: SinkSettings, worker: SinkWorker, surroundings: ParkingSurroundings) {
    this.#settings = settings;
    this.#worker = worker;
    this.#surroundings = surroundings;
    this.#isRecalled = surroundings.outbox === undefined;
    this.#isParked = !this.#isRecalled;
    this.#ledger = new OutboxLedger(settings.name, surroundings.metrics);
    this.#trouble = new OutboxTrouble(settings.name, surroundings, () => this.step());
    this.#survey = new OutboxSurvey(settings.name, surroundings);
    const parts = { ledger: this.#ledger, trouble: this.#trouble };
    this.#reader = new OutboxReader(settings.name, {
      ...parts,
      outbox: surroundings.outbox,
      origin: this.#origin,
      enqueue: (event) => worker.enqueue(event),
    });
    this.#writer = new OutboxWriter(settings, {
      ...surroundings,
      ...parts,
      outstanding: this.#outstanding,
      held: this.#held,
      reading: () => this.#reader.reading,
      settle: (unsettled) => this.#settle(unsettled),
      leave: (event) => this.#leave(event),
      settled: (event) => this.settled(event),
    });
    this.#watch = new OutageWatch(worker, surroundings.clock, () => {
      // Of a sink that may be sent nothing nobody knows whether it takes nothing; `step` looks at it again once it may.
      if (this.#mayPark && surroundings.mayDeliver()) this.#park();
      this.step();
    });
    this.#forgotten = new ForgottenEvents(async (events) => {
      await surroundings.outbox?.forget(settings.name, events.map(({ number }) => number));
      for (const { bytes, isThere } of events) if (isThere) this.#ledger.removed(bytes);
      if (this.isEmpty) this.#ledger.emptied();
    }, {
      ...surroundings,
      changed: () => this.#stepAndTell(),
    });
  }

  /** Whether an event that is queued now has a place. */
  get hasRoom(): boolean {
    return this.#isParked ? this.#buffers : this.#worker.hasRoom;
  }

  /** Whether there is room for what has no position. */
  get takesOffers(): boolean {
    if (!this.#isParked) return this.#worker.takesOffers;
    return this.#isRecalled && this.#surroundings.mayDeliver() && this.#buffers;
  }

  get #buffers(): boolean {
    return this.#held.hasRoom(this.#settings.queue);
  }

  get state(): SinkState {
    const state = this.#worker.state;
    const { events, bytes } = this.#ledger;
    const queued = {
      queuedEvents: state.queuedEvents + this.#held.events,
      queuedBytes: state.queuedBytes + this.#held.bytes,
      parkedEvents: events,
      parkedBytes: bytes,
    };
    if (!this.#isParked || !this.#isRecalled) return { ...state, ...queued };
    const holdsSlot = !this.#buffers || this.#trouble.lastError !== undefined;
    const lastError = this.#trouble.lastError ?? state.lastError;
    return {
      ...state,
      ...queued,
      state: "parked",
      since: this.#parkedAt,
      ...(lastError !== undefined && { lastError }),
      holdsSlot,
    };
  }

  /** Nothing of the stream waits to be written, or it cannot be for now. */
  get isStuckOrIdle(): boolean {
    if (!this.#forgotten.isStuckOrIdle || this.#reader.reading) return false;
    if (!this.#isParked || !this.#isRecalled || !this.#surroundings.mayDeliver()) return true;
    if (this.keepsPosition && !this.#writer.writing) return true;
    if (this.#trouble.isWaiting || (this.#writer.isFull && !this.#writer.writing)) return true;
    return this.#held.events === 0 && !this.#writer.writing;
  }

  /** Nothing of it waits anywhere, but with the worker. */
  get isEmpty(): boolean {
    return this.#held.events === 0 && this.#ledger.unread === 0 && !this.#writer.writing && this.#isRecalled;
  }

  /** Whether it was read from the outbox before somebody else may have emptied that. */
  isStale({ parking }: QueuedEvent): boolean {
    return parking?.generation !== this.#ledger.generation;
  }

  /** Other settings count from now on. */
  serve(settings: SinkSettings): void {
    const { settledUpTo } = this;
    this.#settings = settings;
    this.#takenOverAt = settledUpTo;
    this.#writer.serve(settings);
    this.step();
  }

  /**
   * All events up to here are settled or safe in the outbox; undefined while nothing is known of any. Of a sink that keeps
   * its position, those before it did.
   */
  get settledUpTo(): StreamPosition | undefined {
    return this.keepsPosition ? this.#takenOverAt : this.#outstanding.settledUpTo;
  }

  get sink(): string {
    return this.#settings.name;
  }

  /** It keeps its own position: nothing of it is put into the outbox, but what is there from before comes first. */
  get keepsPosition(): boolean {
    return this.#settings.sink.batch?.inOrder ?? false;
  }

  /** The stream tells an event again that was settled before. A sink that keeps its own position has to see it pass. */
  settledEarlier(event: QueuedEvent): void {
    event.isSettledEarlier = true;
    if (this.keepsPosition) this.enqueue(event);
    else this.#settle(event.unsettled);
  }

  /** What is pushed from now on is told otherwise than before. */
  forgetPositions(): void {
    this.#outstanding.forgetPositions();
    this.#takenOverAt = undefined;
  }

  /** An event of the stream, after all that came before it. */
  enqueue(event: QueuedEvent): void {
    this.#outstanding.push(event);
    if (!this.#isParked) {
      this.#worker.enqueue(event);
      if (this.#patience !== undefined) this.#watch.lookAtRoom(this.#patience);
      return;
    }
    this.#held.hold(event);
    if (this.#isAwake) return;
    this.#isAwake = true;
    queueMicrotask(() => {
      this.#isAwake = false;
      this.step();
    });
  }

  /** The worker's sink has settled an event, whichever way that came. */
  settled(event: QueuedEvent): void {
    const { parking, unsettled } = event;
    if (parking?.state === "parked") return this.#leave(event);
    if (parking?.state === "writing") {
      parking.isSettled = true;
      return;
    }
    this.#outstanding.remove(event);
    if (parking) this.#forgotten.add({ number: parking.number, bytes: unsettled.bytes, isThere: false });
    this.#settle(unsettled);
  }

  /**
   * Finds out what is in the outbox: before the first event; when somebody else may have been there; and when the
   * database has another history than before, and may have lost what was parked last. Until then nothing is sent.
   */
  async recall({ hasSameHistory = true, wasElsewhere = false } = {}): Promise<void> {
    const { outbox } = this.#surroundings;
    if (!outbox || this.#isClosed) return;
    this.#watch.begin();
    this.#recalls++;
    this.#recalled = this.#recalled.then(async () => {
      if (!this.#isRecalled || !hasSameHistory || wasElsewhere) await this.#look(outbox);
      this.#recalls--;
      this.step();
    });
    await this.#recalled;
  }

  async #look(outbox: Outbox): Promise<void> {
    await Promise.all([this.#writer.writing, this.#reader.reading]);
    this.#beginAnew();
    await this.#survey.take(outbox, this.#ledger);
    if (this.#isClosed) return;
    this.#isRecalled = this.#recalls === 1; // while another waits, what was found may not be there any more
    if (!this.#isRecalled) return;
    if (this.#ledger.unread > 0) this.#park("Events are parked from before: they come first");
    else this.#goLive();
  }

  /** Nothing that is known of the outbox holds. What waits, and is nobody else's, waits behind what is there. */
  #beginAnew(): void {
    this.#ledger.beginAnew();
    this.#isParked = true;
    this.#parkedAt = 0;
    this.#parkedSince = undefined;
    for (const event of this.#worker.takeWaiting()) {
      if (event.origin !== undefined && event.origin !== this.#origin) this.#worker.enqueue(event);
      else if (event.origin === undefined && event.parking?.state !== "parked") this.#held.hold(event);
    }
    for (let event = this.#outstanding.oldest; event;) {
      const { newer } = event;
      event.parking = undefined; // where it may be, others may have been
      if (event.isHeld && this.#surroundings.isSettledElsewhere(event)) {
        this.#held.release(event);
        this.settled(event);
      }
      event = newer;
    }
  }

  step(): void {
    if (this.#isClosed || this.#recalls > 0 || !this.#isRecalled || !this.#surroundings.outbox) return;
    if (!this.#surroundings.mayDeliver()) return;
    if (this.#isParked) this.#read();
    if (this.#isParked) this.#write();
    if (this.#patience === undefined) return this.#watch.end();
    this.#watch.look(this.#patience);
    this.#watch.lookAtRoom(this.#patience); // what was held until now may have filled the queue
  }

  /** From now on nothing is read any more, and what waits is written at once. */
  hurry(): void {
    this.#isClosing = true;
    this.step();
  }

  /** Begins nothing more; resolves once what is being written is known to be there or not. */
  async halt(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimers();
    await Promise.all([this.#writer.writing, this.#reader.reading]);
  }

  /** The sink is not wanted any more: what is in the outbox stays there, and what waits before it is lost. */
  drop(): void {
    this.#isGone = true;
    this.#isClosed = true;
    this.#cancelTimers();
    const { events } = this.#held;
    for (let event = this.#outstanding.oldest; event;) {
      const { newer } = event;
      if (event.isHeld) {
        this.#held.release(event);
        this.settled(event);
      }
      event = newer;
    }
    this.#isParked = false;
    if (events > 0) this.#surroundings.dropped(this.#settings.name, events);
  }

  /** Lets nobody see what is parked any more. */
  forgetGauges(): void {
    this.#ledger.forgetGauges();
  }

  /** Resolves once nothing is under way in the store; what is not written comes again. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimers();
    await Promise.all([this.#writer.writing, this.#reader.reading, this.#forgotten.close()]);
  }

  #cancelTimers(): void {
    this.#survey.close();
    this.#writer.isOver();
    this.#watch.end();
    this.#trouble.close();
  }

  get #mayPark(): boolean {
    return this.#surroundings.outbox !== undefined && (this.#settings.parking?.maxParkedBytes ?? 0) > 0 &&
      !this.keepsPosition && !this.#isParked && !this.#isClosing && !this.#isClosed;
  }

  /** Milliseconds, while events may be parked. */
  get #patience(): number | undefined {
    return this.#mayPark ? this.#settings.parking?.parkAfter : undefined;
  }

  #park(message = "Sink takes no events: they are parked, and the replication slot moves on"): void {
    this.#isParked = true;
    this.#parkedAt = this.#surroundings.clock.now();
    this.#parkedSince = this.#surroundings.clock.steady();
    const { name } = this.#settings;
    const { lastError: error } = this.#worker.state;
    this.#surroundings.log.warn(message, {
      sink: name,
      ...(error !== undefined && { error }),
      ...(this.#ledger.unread > 0 && { parkedEvents: this.#ledger.unread }),
    });
    this.#surroundings.changed(); // there is room again
  }

  /** What is on its way to the outbox goes to the worker instead, and whatever comes after it: all in one step. */
  #goLive(): void {
    this.#isParked = false;
    this.#writer.isOver();
    this.#trouble.isOver();
    for (let event = this.#outstanding.oldest; event; event = event.newer) {
      if (!event.isHeld) continue;
      this.#held.release(event);
      this.#worker.enqueue(event);
    }
    const { clock, log } = this.#surroundings;
    if (this.#parkedSince !== undefined) {
      const seconds = Math.round((clock.steady() - this.#parkedSince) / 100) / 10;
      log.info("Sink has nothing parked any more", { sink: this.#settings.name, parkedSeconds: seconds });
    }
    this.#surroundings.changed();
  }

  #read(): void {
    if (this.#reader.reading || this.#writer.isDropping) return;
    if (this.#ledger.unread === 0) {
      if (!this.#writer.writing && !this.#watch.isFailing) this.#goLive();
      return;
    }
    if (this.#isClosing || this.#trouble.isWaiting || !this.#worker.takesOffers) return;
    this.#reader.read(() => this.#stepAndTell());
  }

  #stepAndTell(): void {
    this.step();
    this.#surroundings.changed();
  }

  #write(): void {
    if (this.keepsPosition || this.#writer.writing || this.#trouble.isWaiting || !this.#shouldWrite) return;
    this.#writer.write(this.#isClosing, () => this.#stepAndTell());
  }

  /** When the last of the outbox is about to be read, nothing more is put there. */
  get #shouldWrite(): boolean {
    const isHalfFull = this.#held.isHalfFull(this.#settings.queue);
    return this.#watch.isFailing || this.#isClosing || isHalfFull ||
      this.#ledger.unread > OUTBOX_PAGE.maxEvents || !this.#worker.takesOffers;
  }

  /** Of what is in the outbox, the sink has settled one. */
  #leave(event: QueuedEvent): void {
    const { parking, unsettled } = event;
    if (!parking || this.#isGone || event.isLeftOut) return; // its row stays
    this.#ledger.settled(parking.number);
    this.#forgotten.add({ number: parking.number, bytes: unsettled.bytes, isThere: true });
  }

  #settle(unsettled: UnsettledEvent): void {
    if (unsettled.isAwaited) this.#surroundings.settled(unsettled);
  }
}
