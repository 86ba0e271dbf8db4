import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Clock } from "../sink/clock.ts";
import type { Sink, StreamStart } from "../sink/sink.ts";
import type { SinkError } from "../sink/sink_error.ts";
import { assess, type Failures, type Flight, noteFailure } from "./assessment.ts";
import { asSinkError, attempt } from "./attempt.ts";
import { Backoffs } from "./backoffs.ts";
import type { DeadLetterQueue } from "./dead_letter_queue.ts";
import { Linger } from "./linger.ts";
import { type BatchLimits, PendingEvents, type QueuedEvent } from "./pending_events.ts";
import { backoff } from "./retry_policy.ts";
import { SinkHealth } from "./sink_health.ts";
import { SinkMeter } from "./sink_meter.ts";
import { StreamTrail } from "./stream_trail.ts";
import type { SinkSettings, SinkState } from "./sink_settings.ts";

/** What a worker needs of the dispatcher. */
export interface Surroundings {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly deadLetters: DeadLetterQueue;
  /** Its abort ends the delivery. */
  readonly signal: AbortSignal;
  /** This sink has settled the event. */
  readonly settled: (event: QueuedEvent) => void;
  /** So many events will never reach the sink, which is no longer wanted; they are settled. */
  readonly dropped: (sink: string, events: number) => void;
  /** Undefined before it has begun. */
  readonly stream: () => StreamStart | undefined;
  /** Whether anything may be sent now. */
  readonly mayDeliver: () => boolean;
  /** Whether nobody needs the event any more. */
  readonly isSettledElsewhere: (event: QueuedEvent) => boolean;
  /** Something settled or failed; called after all `settled` of one step. */
  readonly changed: () => void;
}

function batchLimits({ sink, maxBatchSize }: SinkSettings): BatchLimits {
  const { maxEvents = Infinity, maxBytes = Infinity } = sink.batch ?? {};
  return { maxEvents: Math.max(1, Math.min(maxBatchSize, maxEvents)), maxBytes };
}

/** Milliseconds after which a delivery without an answer is a sign of trouble. */
const PATIENCE = 60_000;

/** A time in which the sink settled nothing. */
interface Outage {
  failures: number;
  /** A delivery failed, so that only a delivery can show its end; else a connection does. */
  deliveryFailed: boolean;
}

/**
 * Serves one sink: connects it, sends its queue in batches, and deals with what fails, as `retry_policy.ts` says.
 *
 * `#pump` decides what happens next and is called whenever something changed; nothing polls. In an outage it sends one
 * event after each pause, and once that is taken, batches that double up to the full size. A probe takes an event of a
 * key that has not failed by index, so that one bad event does not hold up the rest. A batch that failed by a throw
 * stays first and in order; only an event that was tried `maxAttempts` times steps aside, lest it is the culprit.
 */
export class SinkWorker {
  #settings: SinkSettings;
  #sink: Sink;
  #limits: BatchLimits;
  #concurrency: number;
  #inOrder: boolean;
  readonly #trail = new StreamTrail();
  /** Its abort ends what this sink has under way; so does the surroundings'. */
  #calls = new AbortController();
  #signal: AbortSignal;
  readonly #surroundings: Surroundings;
  readonly #health: SinkHealth;
  readonly #meter: SinkMeter;
  readonly #pending = new PendingEvents();

  #events = 0;
  #bytes = 0;
  /** Of these, what no position waits for; it takes no room from what has one. */
  readonly #offered = { events: 0, bytes: 0 };
  /** Of the events, those that wait for the dead letters to be written. */
  #buried = 0;
  /** Events that the sink took or rejected, ever. */
  #settledEver = 0;

  #started = false;
  #stopped = false;
  /** Another sink is about to be served, or none. */
  #halted = false;
  /** What waits and what comes is dropped. */
  #isGone = false;
  #awake = false;
  #needsConnect = true;
  #connecting = false;
  /** What the sink has not answered, oldest first. */
  readonly #flights = new Set<Flight>();
  #batchSize: number;
  /** How often the sink has thrown. */
  #throws = 0;
  #outage: Outage | undefined;
  readonly #backoffs: Backoffs;
  #linger: Linger;
  #whenQuiet: (() => void)[] = [];

  constructor(settings: SinkSettings, surroundings: Surroundings) {
    this.#settings = settings;
    this.#sink = settings.sink;
    this.#surroundings = surroundings;
    this.#signal = AbortSignal.any([surroundings.signal, this.#calls.signal]);
    const { lingerMs = 0, concurrency = 1, inOrder = false } = settings.sink.batch ?? {};
    this.#limits = batchLimits(settings);
    this.#batchSize = this.#limits.maxEvents;
    this.#concurrency = inOrder ? 1 : concurrency;
    this.#inOrder = inOrder;
    const stream = surroundings.stream();
    if (stream) this.#trail.begin(stream, false);
    this.#linger = new Linger(lingerMs, surroundings.clock, () => this.#pump());
    this.#backoffs = new Backoffs(
      surroundings.clock,
      (key) => this.#pending.release(key),
      () => this.#pump(),
    );
    this.#health = new SinkHealth(settings.name, surroundings.clock, surroundings.log);
    this.#meter = new SinkMeter(surroundings.metrics, settings.name);
  }

  /** Everything is settled or buried, and the sink has answered every call. */
  get isIdle(): boolean {
    return this.#events === this.#buried && this.#flights.size === 0 && !this.#connecting;
  }

  get hasRoom(): boolean {
    const { maxEvents, maxBytes } = this.#settings.queue;
    return this.#events - this.#offered.events < maxEvents && this.#bytes - this.#offered.bytes < maxBytes;
  }

  /** Whether there is room for what has no position: all that waits counts, and what may not be sent is not taken. */
  get takesOffers(): boolean {
    const { maxEvents, maxBytes } = this.#settings.queue;
    return this.#surroundings.mayDeliver() && this.#events < maxEvents && this.#bytes < maxBytes;
  }

  /** Nothing more can be expected of it for now: everything is settled or buried, or the sink is down or in a pause. */
  get isStuckOrIdle(): boolean {
    if (this.#events === this.#buried || this.#health.condition === "down" || !this.#started) return true;
    if (this.#flights.size === 0 && !this.#surroundings.mayDeliver()) return true;
    return this.#outage !== undefined && this.#flights.size === 0 && !this.#connecting;
  }

  /** Since when it takes nothing, by the steady clock; undefined while all is well. */
  get failingSince(): number | undefined {
    const { condition, began } = this.#stall() ?? this.#health;
    return condition === "connected" ? undefined : began;
  }

  /** How many events the sink took or rejected, ever. */
  get settledEver(): number {
    return this.#settledEver;
  }

  get state(): SinkState {
    const { condition, since, lastError } = this.#stall() ?? this.#health;
    return {
      name: this.#settings.name,
      kind: this.#settings.kind,
      state: condition,
      since,
      ...(lastError === undefined ? {} : { lastError }),
      queuedEvents: this.#events,
      queuedBytes: this.#bytes,
    };
  }

  /** What is amiss with a sink that is connected, and has not answered for long. */
  #stall(): Pick<SinkHealth, "condition" | "since" | "began" | "lastError"> | undefined {
    const [oldest] = this.#flights;
    if (oldest === undefined || this.#health.condition !== "connected") return undefined;
    const silence = this.#surroundings.clock.steady() - oldest.began;
    if (silence < PATIENCE) return undefined;
    const lastError = `Cannot tell what was delivered: no answer for ${Math.round(silence / 1000)} s`;
    return { condition: "stalled", since: oldest.sentAt, began: oldest.began, lastError };
  }

  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** The stream begins, or begins again, perhaps with another history than before. */
  begin(stream: StreamStart, hasOtherHistory: boolean): void {
    this.#trail.begin(stream, hasOtherHistory);
    if (!this.#inOrder) return;
    this.#needsConnect = true;
    this.#pump();
  }

  /** Queues an event; those queued in the same turn of the event loop go out together. */
  enqueue(event: QueuedEvent): void {
    const { unsettled } = event;
    this.#events++;
    this.#bytes += unsettled.bytes;
    if (!unsettled.isAwaited) this.#countOffered(1, unsettled.bytes);
    this.#trail.queued(event);
    this.#pending.push(event);
    if (this.#awake) return;
    this.#awake = true;
    queueMicrotask(() => {
      this.#awake = false;
      this.#meter.queue(this.#events, this.#bytes);
      this.#pump();
    });
  }

  /** Whether it may send, or what it may leave out, has changed. */
  reconsider(): void {
    this.#pump();
  }

  /** From now on no batch waits for more events. */
  hurry(): void {
    this.#linger.end();
    this.#pump();
  }

  /** Stops sending; resolves once the sink has answered every call. The signal is to be aborted before. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#linger.end();
    this.#backoffs.end();
    return this.#quiet();
  }

  /** Begins nothing more with this sink; resolves once it has answered every call. */
  halt(): Promise<void> {
    this.#halted = true;
    return this.#quiet();
  }

  /** Tells the sink to end what it has under way. What it does not take is not held against any event. */
  abortCalls(reason: unknown): void {
    this.#calls.abort(reason);
  }

  /** Expects no answer of the sink any more: what it has counts as not taken. */
  giveUp(): void {
    this.#connecting = false;
    for (const flight of this.#flights) {
      this.#flights.delete(flight);
      this.#takeBack(flight, flight.batch);
    }
    this.#tellWhenQuiet();
  }

  /** Takes back what waits and the sink does not have, in commit order for each key. */
  takeWaiting(): readonly QueuedEvent[] {
    const waiting = this.#pending.takeWaiting();
    for (const { unsettled } of waiting) {
      this.#events--;
      this.#bytes -= unsettled.bytes;
      if (!unsettled.isAwaited) this.#countOffered(-1, -unsettled.bytes);
    }
    return waiting;
  }

  /** After a halt: has the queue go on with a sink that is to be connected, perhaps for the first time. */
  serve(settings: SinkSettings): void {
    const { lingerMs = 0, concurrency = 1, inOrder = false } = settings.sink.batch ?? {};
    if (inOrder && !this.#inOrder) this.#trail.takeOver();
    this.#settings = settings;
    this.#sink = settings.sink;
    this.#limits = batchLimits(settings);
    this.#batchSize = this.#limits.maxEvents;
    this.#concurrency = inOrder ? 1 : concurrency;
    this.#inOrder = inOrder;
    this.#linger.end();
    this.#linger = new Linger(lingerMs, this.#surroundings.clock, () => this.#pump());
    this.#calls = new AbortController();
    this.#signal = AbortSignal.any([this.#surroundings.signal, this.#calls.signal]);
    this.#needsConnect = true;
    this.#outage = undefined;
    this.#backoffs.end();
    if (inOrder) this.#pending.putInOrder();
    this.#health.beginAgain();
    this.#meter.connected(false);
    this.#halted = false;
    this.#stepDone();
  }

  /** After a halt, for good: settles as lost what waits, and whatever is still queued. */
  drop(): void {
    this.#isGone = true;
    this.#backoffs.end();
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

  #quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet.push(resolve);
      this.#tellWhenQuiet();
    });
  }

  #pump(): void {
    if (this.#isGone) return this.#dropLeft();
    if (!this.#started || this.#stopped || this.#halted || this.#health.condition === "down") return;
    if (this.#connecting || this.#backoffs.isPausing) return;
    if (this.#inOrder && !this.#isNextsTurn()) return;
    if (this.#needsConnect) {
      if (this.#flights.size === 0) void this.#connect();
      return;
    }
    if (!this.#surroundings.mayDeliver()) return;
    const isProbe = this.#outage !== undefined;
    const atOnce = isProbe ? 1 : this.#concurrency;
    const limits = { maxEvents: this.#batchSize, maxBytes: this.#limits.maxBytes };
    while (this.#flights.size < atOnce) {
      // Of a queue that is full, nobody would bring more.
      if (this.hasRoom && this.#pending.mayGrow(limits) && this.#linger.waits()) return;
      const taken = this.#ofOneKind(this.#pending.take(limits, isProbe));
      if (taken.length === 0) return;
      this.#linger.sent();
      const batch = this.#leaveOut(taken);
      if (batch.length > 0) void this.#send(batch);
    }
  }

  /**
   * Whether a sink that takes everything in order may go on: by connecting it shuts out whoever else writes in its name, so
   * it needs the slot even for that.
   */
  #isNextsTurn(): boolean {
    return this.#buried === 0 && this.#trail.resumption !== undefined && this.#surroundings.mayDeliver();
  }

  /** In order, what comes apart from the stream goes apart from the rest. */
  #ofOneKind(taken: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const end = this.#inOrder ? taken.findIndex(({ isApart }) => isApart !== taken[0]?.isApart) : -1;
    if (end < 0) return taken;
    this.#pending.restore(taken.slice(end));
    return taken.slice(0, end);
  }

  /** Of events that have been taken, those that are still to be sent. */
  #leaveOut(taken: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const batch = taken.filter((event) =>
      !this.#surroundings.isSettledElsewhere(event) && !(this.#inOrder && this.#hasAlready(event)) &&
      !event.isSettledEarlier
    );
    if (batch.length === taken.length) return taken;
    const keys = new Set(batch.map(({ key }) => key));
    const kept = new Set(batch);
    for (const event of taken) {
      if (kept.has(event)) continue;
      if (!keys.has(event.key)) this.#pending.release(event.key);
      event.isLeftOut = this.#surroundings.isSettledElsewhere(event);
      if (this.#inOrder && !event.isLeftOut) this.#trail.taken([event]);
      this.#forget(event);
    }
    this.#meter.queue(this.#events, this.#bytes);
    this.#surroundings.changed();
    return batch;
  }

  /** Nobody needs the event any more, because the sink has it or the database has not. */
  #hasAlready(event: QueuedEvent): boolean {
    if (this.#trail.isObsolete(event)) return true;
    const { event: deliverable } = event.unsettled;
    const hasIt = this.#sink.has?.(deliverable.event, event.isApart) ?? false;
    if (event.isSettledEarlier && !hasIt) this.#trail.takeOver(deliverable);
    return hasIt;
  }

  async #connect(): Promise<void> {
    this.#connecting = true;
    const sink = this.#sink;
    let failure: SinkError | undefined;
    try {
      await sink.connect(this.#signal, this.#inOrder ? this.#trail.resumption : undefined);
    } catch (error) {
      failure = asSinkError(error, "connect");
    }
    if (sink !== this.#sink) return; // it was given up
    this.#connecting = false;
    if (!this.#stopped) {
      if (failure === undefined) this.#connected();
      else if (failure.kind === "fatal") this.#goDown(failure);
      else this.#pause(failure, false);
    }
    this.#stepDone();
  }

  async #send(batch: readonly QueuedEvent[]): Promise<void> {
    const flight = {
      batch,
      sentAt: this.#surroundings.clock.now(),
      began: this.#surroundings.clock.steady(),
      settledBefore: this.#settledEver,
      throwsBefore: this.#throws,
    };
    this.#flights.add(flight);
    const events = batch.map((event) => event.unsettled.event.event);
    const calls = this.#calls.signal;
    const { failed, thrown, fault } = await attempt(
      this.#sink,
      events,
      this.#signal,
      batch[0]?.isApart ?? false,
    );
    if (!this.#flights.delete(flight)) return; // it was given up
    if (fault !== undefined) this.#health.faulty(fault);
    if (thrown !== undefined) this.#needsConnect = true;
    if (failed.size === 0) this.#allTaken(flight);
    else if (this.#stopped) this.#settle(batch.filter((_, index) => !failed.has(index)));
    else if (calls.aborted) this.#takeBack(flight, batch.filter((_, index) => failed.has(index)));
    else if (this.#inOrder) this.#dealInOrder(flight, failed, thrown);
    else if (thrown !== undefined && this.#blamesNone(flight, thrown)) this.#restore(flight, thrown);
    else this.#deal(flight, failed);
    this.#stepDone();
  }

  /** Of a sink that was told to end: its events that failed are the next again, as if nobody had tried them. */
  #takeBack({ batch }: Flight, failed: readonly QueuedEvent[]): void {
    this.#pending.restore(failed);
    for (const event of batch) this.#pending.release(event.key);
    const kept = new Set(failed);
    const taken = batch.filter((event) => !kept.has(event));
    this.#trail.taken(taken);
    this.#settle(taken);
  }

  #allTaken(flight: Flight): void {
    const { batch } = flight;
    this.#settledEver += batch.length;
    for (const event of batch) this.#pending.release(event.key);
    this.#trail.taken(batch);
    this.#settle(batch);
    if (!this.#stopped) this.#worked(flight);
  }

  /** Whether a throw says nothing of single events: it was for several, or shows that nothing is taken at all. */
  #blamesNone(flight: Flight, thrown: SinkError): boolean {
    if (thrown.kind === "fatal") return false;
    if (flight.batch.length > 1) return true;
    const tries = flight.batch[0]?.failures?.tries ?? 0;
    return thrown.kind === "retryable" && this.#isFruitless(flight) &&
      tries < this.#settings.retry.maxAttempts;
  }

  /** The sink has settled nothing since it got the batch. */
  #isFruitless(flight: Flight): boolean {
    return this.#settledEver === flight.settledBefore;
  }

  #restore(flight: Flight, thrown: SinkError): void {
    for (const event of flight.batch) noteFailure(event, flight);
    this.#pending.restore(flight.batch);
    this.#meter.retried(flight.batch.length);
    this.#batchSize = 1;
    this.#throws++;
    if (thrown.kind === "retryable" && this.#isFruitless(flight)) this.#pause(thrown, true);
  }

  /** Settles what was taken, and does with each failed event what the policy says. */
  #deal(flight: Flight, failed: ReadonlyMap<number, SinkError>): void {
    const { retry } = this.#settings;
    const result = assess(flight, failed, this.#settledEver, retry, this.#surroundings.random);
    this.#settledEver += result.settled;
    for (const event of result.kept.toReversed()) this.#pending.giveBack(event);
    for (const event of flight.batch) {
      if (!result.delays.has(event.key)) this.#pending.release(event.key);
    }
    this.#meter.retried(result.delays.size);
    for (const { event, failures, error } of result.deadLetters) this.#bury(event, failures, error);
    this.#settle(result.delivered);
    if (result.fatal !== undefined) this.#goDown(result.fatal);
    else if (result.settled > 0) this.#worked(flight);
    else if (result.retryable !== undefined && this.#isFruitless(flight)) this.#pause(result.retryable, true);
    for (const [key, delay] of result.delays) this.#backoffs.holdKey(key, delay);
    if (this.#outage !== undefined && this.#events === this.#buried) {
      this.#outage.deliveryFailed = false; // no event is left to probe with, so a connection must do
      this.#needsConnect = true;
    }
  }

  /**
   * Of a sink that takes everything in order: what stands before the first event that failed is taken, and the rest comes
   * again as it was, without an event that is rejected.
   */
  #dealInOrder(
    flight: Flight,
    failed: ReadonlyMap<number, SinkError>,
    thrown: SinkError | undefined,
  ): void {
    const { batch } = flight;
    const first = Math.min(...failed.keys());
    const [event, error] = [batch[first], failed.get(first)];
    if (event === undefined || error === undefined) return;
    const isRejected = error.kind === "rejected" && (thrown === undefined || batch.length === 1);
    const taken = batch.slice(0, first);
    const again = batch.slice(isRejected ? first + 1 : first);
    for (const each of batch) this.#pending.release(each.key);
    this.#pending.restore(again);
    this.#settledEver += taken.length;
    if (isRejected) {
      this.#settledEver++;
      this.#bury(event, noteFailure(event, flight), error);
    } else {
      for (const each of again) noteFailure(each, flight);
      this.#meter.retried(again.length);
    }
    this.#trail.taken(taken);
    this.#settle(taken);
    if (thrown !== undefined) this.#throws++;
    if (error.kind === "fatal") this.#goDown(error);
    else if (isRejected || taken.length > 0) this.#worked(flight);
    else this.#pause(error, true);
  }

  #bury(event: QueuedEvent, failures: Failures, error: SinkError): void {
    this.#buried++;
    event.isBuried = true;
    const letter = {
      sink: this.#settings.name,
      route: event.route,
      reason: error.message,
      kind: error.kind,
      attempts: failures.tries,
      firstTime: failures.firstAt,
      lastTime: failures.lastAt,
      event: event.unsettled.event.event,
      ...(event.origin?.letter !== undefined && { replayOf: event.origin.letter }),
    };
    this.#surroundings.deadLetters.add(letter, () => {
      this.#buried--;
      this.#meter.deadLettered(event);
      this.#forget(event);
      if (this.#inOrder) this.#pump();
    });
  }

  #settle(delivered: readonly QueuedEvent[]): void {
    for (const event of delivered) this.#forget(event);
    this.#meter.delivered(delivered, this.#surroundings.clock.now());
  }

  #forget(event: QueuedEvent): void {
    const { unsettled } = event;
    this.#events--;
    this.#bytes -= unsettled.bytes;
    if (!unsettled.isAwaited) this.#countOffered(-1, -unsettled.bytes);
    this.#surroundings.settled(event);
  }

  #countOffered(events: number, bytes: number): void {
    this.#offered.events += events;
    this.#offered.bytes += bytes;
  }

  /** The sink settled something: an outage is over, and batches may grow again. */
  #worked({ throwsBefore }: Flight): void {
    // One that was under way when another threw says nothing of the events that threw: those are tried singly first.
    if (throwsBefore === this.#throws) {
      this.#batchSize = Math.min(this.#limits.maxEvents, this.#batchSize * 2);
    }
    if (this.#outage !== undefined) this.#outageOver();
  }

  #connected(): void {
    this.#needsConnect = false;
    if (this.#outage === undefined) this.#isHealthy();
    else if (!this.#outage.deliveryFailed) this.#outageOver();
  }

  #isHealthy(): void {
    this.#health.connected();
    this.#meter.connected(true);
  }

  #outageOver(): void {
    this.#outage = undefined;
    this.#backoffs.end();
    this.#isHealthy();
  }

  /** The sink settles nothing, or cannot be connected: waits before it tries again. */
  #pause(error: SinkError, deliveryFailed: boolean): void {
    if (this.#health.condition === "down") return;
    this.#health.failed(error);
    this.#meter.connected(false);
    this.#batchSize = 1;
    this.#outage ??= { failures: 0, deliveryFailed };
    this.#outage.deliveryFailed ||= deliveryFailed;
    if (this.#backoffs.isPausing) return; // of several batches that failed together, the first counts
    this.#outage.failures++;
    const { retry } = this.#settings;
    this.#backoffs.pause(
      backoff(retry, this.#outage.failures, this.#surroundings.random, error.retryAfterMs),
    );
  }

  #goDown(error: SinkError): void {
    this.#outage = undefined;
    this.#backoffs.end();
    this.#health.down(error);
    this.#meter.connected(false);
  }

  #stepDone(): void {
    this.#meter.queue(this.#events, this.#bytes);
    this.#pump();
    this.#tellWhenQuiet();
    this.#surroundings.changed();
  }

  #tellWhenQuiet(): void {
    if (this.#flights.size > 0 || this.#connecting) return;
    for (const resolve of this.#whenQuiet) resolve();
    this.#whenQuiet = [];
  }
}
