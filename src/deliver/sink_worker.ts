import type { StreamStart } from "../sink/sink.ts";
import { type BatchPlan, batchPlan } from "./batch_plan.ts";
import { FlightResults } from "./flight_results.ts";
import { NextBatch } from "./next_batch.ts";
import { PendingEvents, type QueuedEvent } from "./pending_events.ts";
import { QueueLoad } from "./queue_load.ts";
import { SinkCalls } from "./sink_calls.ts";
import { SinkMeter } from "./sink_meter.ts";
import { SinkReach } from "./sink_reach.ts";
import type { SinkSettings, SinkState } from "./sink_settings.ts";
import { StreamTrail } from "./stream_trail.ts";
import type { WorkerSurroundings } from "./worker_surroundings.ts";

/**
 * Serves one sink: connects it, sends its queue in batches, and has `FlightResults` deal with what fails.
 *
 * `#pump` decides what happens next and is called whenever something changed; nothing polls. In an outage it sends what
 * `SinkReach` allows. A probe takes an event of a key that has not failed by index, so that one bad event does not hold up
 * the rest.
 */
export class SinkWorker {
  #settings: SinkSettings;
  #plan: BatchPlan;
  readonly #trail = new StreamTrail();
  readonly #surroundings: WorkerSurroundings;
  readonly #meter: SinkMeter;
  readonly #pending = new PendingEvents();
  readonly #load = new QueueLoad();
  readonly #reach: SinkReach;
  readonly #calls: SinkCalls;
  readonly #next: NextBatch;
  readonly #results: FlightResults;

  #started = false;
  #stopped = false;
  /** Another sink is about to be served, or none. */
  #halted = false;
  /** What waits and what comes is dropped. */
  #isGone = false;
  #awake = false;

  constructor(settings: SinkSettings, surroundings: WorkerSurroundings) {
    this.#settings = settings;
    this.#surroundings = surroundings;
    this.#plan = batchPlan(settings);
    this.#calls = new SinkCalls(settings.sink, surroundings.signal);
    const stream = surroundings.stream();
    if (stream) this.#trail.begin(stream, false);
    this.#meter = new SinkMeter(surroundings.metrics, settings.name);
    this.#reach = new SinkReach(settings, this.#plan.limits.maxEvents, this.#meter, {
      ...surroundings,
      freeKey: (key) => this.#pending.release(key),
      waited: () => this.#pump(),
    });
    const parts = { pending: this.#pending, trail: this.#trail };
    this.#next = new NextBatch(settings.sink, this.#plan, {
      ...surroundings,
      ...parts,
      lingered: () => this.#pump(),
      leaveOut: (event) => this.#forget(event),
      leftOut: () => {
        this.#tellQueue();
        surroundings.changed();
      },
    });
    this.#results = new FlightResults({
      ...surroundings,
      ...parts,
      load: this.#load,
      reach: this.#reach,
      meter: this.#meter,
      forget: (event) => this.#forget(event),
      buried: () => {
        if (this.#plan.inOrder) this.#pump();
      },
    });
  }

  /** Everything is settled or buried, and the sink has answered every call. */
  get isIdle(): boolean {
    return this.#load.isDelivered && this.#calls.isQuiet;
  }

  get hasRoom(): boolean {
    return this.#load.hasRoom(this.#settings.queue);
  }

  /** Whether there is room for what has no position: all that waits counts, and what may not be sent is not taken. */
  get takesOffers(): boolean {
    return this.#surroundings.mayDeliver() && this.#load.hasRoomForOffers(this.#settings.queue);
  }

  /** Nothing more can be expected of it for now: everything is settled or buried, or the sink is down or in a pause. */
  get isStuckOrIdle(): boolean {
    if (this.#load.isDelivered || this.#reach.isDown || !this.#started) return true;
    if (this.#calls.flights === 0 && !this.#surroundings.mayDeliver()) return true;
    return this.#reach.isInOutage && this.#calls.isQuiet;
  }

  /** Since when it takes nothing, by the steady clock; undefined while all is well. */
  get failingSince(): number | undefined {
    const { condition, began } = this.#reach.healthWith(this.#calls.oldest);
    return condition === "connected" ? undefined : began;
  }

  /** How many events the sink took or rejected, ever. */
  get settledEver(): number {
    return this.#reach.settledEver;
  }

  get state(): SinkState {
    const { condition, since, lastError } = this.#reach.healthWith(this.#calls.oldest);
    return {
      name: this.#settings.name,
      kind: this.#settings.kind,
      state: condition,
      since,
      ...(lastError === undefined ? {} : { lastError }),
      queuedEvents: this.#load.events,
      queuedBytes: this.#load.bytes,
    };
  }

  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** The stream begins, or begins again, perhaps with another history than before. */
  begin(stream: StreamStart, hasOtherHistory: boolean): void {
    this.#trail.begin(stream, hasOtherHistory);
    if (!this.#plan.inOrder) return;
    this.#reach.lostConnection();
    this.#pump();
  }

  /** Queues an event; those queued in the same turn of the event loop go out together. */
  enqueue(event: QueuedEvent): void {
    this.#load.add(event.unsettled);
    this.#trail.queued(event);
    this.#pending.push(event);
    if (this.#awake) return;
    this.#awake = true;
    queueMicrotask(() => {
      this.#awake = false;
      this.#tellQueue();
      this.#pump();
    });
  }

  /** Whether it may send, or what it may leave out, has changed. */
  reconsider(): void {
    this.#pump();
  }

  /** From now on no batch waits for more events. */
  hurry(): void {
    this.#next.hurry();
    this.#pump();
  }

  /** Stops sending; resolves once the sink has answered every call. The signal is to be aborted before. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#next.hurry();
    this.#reach.end();
    return this.#calls.quiet();
  }

  /** Begins nothing more with this sink; resolves once it has answered every call. */
  halt(): Promise<void> {
    this.#halted = true;
    return this.#calls.quiet();
  }

  /** Tells the sink to end what it has under way. What it does not take is not held against any event. */
  abortCalls(reason: unknown): void {
    this.#calls.abort(reason);
  }

  /** Expects no answer of the sink any more: what it has counts as not taken. */
  giveUp(): void {
    for (const flight of this.#calls.giveUp()) this.#results.takeBack(flight, flight.batch);
    this.#calls.tellIfQuiet();
  }

  /** Takes back what waits and the sink does not have, in commit order for each key. */
  takeWaiting(): readonly QueuedEvent[] {
    const waiting = this.#pending.takeWaiting();
    for (const { unsettled } of waiting) this.#load.remove(unsettled);
    return waiting;
  }

  /** After a halt: has the queue go on with a sink that is to be connected, perhaps for the first time. */
  serve(settings: SinkSettings): void {
    const plan = batchPlan(settings);
    if (plan.inOrder && !this.#plan.inOrder) this.#trail.takeOver();
    this.#settings = settings;
    this.#plan = plan;
    this.#calls.serve(settings.sink);
    this.#next.serve(settings.sink, plan);
    this.#reach.beginAgain(settings.retry, plan.limits.maxEvents);
    if (plan.inOrder) this.#pending.putInOrder();
    this.#halted = false;
    this.#stepDone();
  }

  /** After a halt, for good: settles as lost what waits, and whatever is still queued. */
  drop(): void {
    this.#isGone = true;
    this.#reach.end();
    this.#dropLeft();
  }

  /** Lets nobody see its queue and connection any more. */
  forgetGauges(): void {
    this.#meter.forget();
  }

  #dropLeft(): void {
    const left = this.#pending.takeAll();
    if (left.length === 0) return;
    let lost = 0;
    for (const event of left) {
      event.isBuried = event.origin !== undefined; // it stays where it comes from
      if (!event.isBuried && event.parking?.state !== "parked") lost++;
      this.#forget(event);
    }
    if (lost > 0) this.#surroundings.dropped(this.#settings.name, lost);
    this.#surroundings.changed();
  }

  #pump(): void {
    if (this.#isGone) return this.#dropLeft();
    if (!this.#started || this.#stopped || this.#halted || this.#reach.isDown) return;
    if (this.#calls.isConnecting || this.#reach.isPausing) return;
    if (this.#plan.inOrder && !this.#isNextsTurn()) return;
    if (this.#reach.needsConnect) {
      if (this.#calls.flights === 0) void this.#connect();
      return;
    }
    if (!this.#surroundings.mayDeliver()) return;
    const isProbe = this.#reach.isInOutage;
    const atOnce = isProbe ? 1 : this.#plan.concurrency;
    const limits = { maxEvents: this.#reach.batchSize, maxBytes: this.#plan.limits.maxBytes };
    while (this.#calls.flights < atOnce) {
      const batch = this.#next.take(limits, isProbe, this.hasRoom);
      if (batch === undefined) break;
      if (batch.length > 0) void this.#send(batch);
    }
    if (!isProbe || !this.#load.isDelivered) return;
    this.#reach.probeByConnecting(); // what was to show that the outage is over is left out, or with somebody else
    void this.#connect();
  }

  /**
   * Whether a sink that takes everything in order may go on: by connecting it shuts out whoever else writes in its name, so
   * it needs the slot even for that.
   */
  #isNextsTurn(): boolean {
    return !this.#load.isBurying && this.#trail.resumption !== undefined && this.#surroundings.mayDeliver();
  }

  async #connect(): Promise<void> {
    const { failure, wasGivenUp } = await this.#calls.connect(
      this.#plan.inOrder ? this.#trail.resumption : undefined,
    );
    if (wasGivenUp) return;
    if (!this.#stopped) {
      if (failure === undefined) this.#reach.connected();
      else this.#reach.failedToConnect(failure);
    }
    this.#stepDone();
  }

  async #send(batch: readonly QueuedEvent[]): Promise<void> {
    const flight = this.#reach.launched(batch);
    const answer = await this.#calls.deliver(flight);
    if (answer === undefined) return; // it was given up
    this.#results.answered(flight, answer, this.#settings, this.#plan.inOrder, this.#stopped);
    this.#stepDone();
  }

  #forget(event: QueuedEvent): void {
    this.#load.remove(event.unsettled);
    this.#surroundings.settled(event);
  }

  #tellQueue(): void {
    this.#meter.queue(this.#load.events, this.#load.bytes);
  }

  #stepDone(): void {
    this.#tellQueue();
    this.#pump();
    this.#calls.tellIfQuiet();
    this.#surroundings.changed();
  }
}
