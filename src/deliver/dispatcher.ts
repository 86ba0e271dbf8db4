import type { RouterEvent } from "../event/cloud_event.ts";
import { OWN_DIALECT } from "../event/dialect.ts";
import { logOf } from "../observe/log.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { Connected } from "../postgres/replication/stream_chunk.ts";
import type { Target } from "../route/router.ts";
import type { StreamStart } from "../sink/sink.ts";
import { abortable } from "../sink/abortable.ts";
import { type Clock, systemClock } from "../sink/clock.ts";
import { AwaitedConditions } from "./awaited_conditions.ts";
import { Checkpoint, UnsettledEvent } from "./checkpoint.ts";
import { DeadLetterQueue, type DeadLetterState } from "./dead_letter_queue.ts";
import type { DispatcherOptions } from "./dispatcher_options.ts";
import { DroppedEvents } from "./dropped_events.ts";
import { isInTime } from "./is_in_time.ts";
import { QueuedEvent } from "./pending_events.ts";
import { Replays } from "./replays.ts";
import { type SinkChanges, SinkRoster } from "./sink_roster.ts";
import { type SettledEarlier, SinkCheckpoints, type StreamIdentity } from "./sink_checkpoints.ts";
import type { SinkSettings, SinkState } from "./sink_settings.ts";
import { WalGate } from "./wal_gate.ts";

/** How a stream begins: see `Connected`. */
export type Beginning =
  & StreamIdentity
  & Pick<Connected, "sameTimelineAsBefore" | "wasElsewhere" | "confirmed">;

/** Milliseconds that dead letters get to be written after the abort. */
const GRACE = 2000;

/**
 * Delivers events to sinks, each at its own pace, and knows how far all of them have come.
 *
 * One producer calls `enqueue` and `settle` in commit order, and waits for `room` in between. An event is settled when
 * each of its sinks took it or its dead letter is durable; only then may a mark behind it be confirmed. What may be lost
 * and must hold up nothing is offered by whoever has it.
 */
export class Dispatcher implements AsyncDisposable {
  readonly #roster: SinkRoster;
  readonly #checkpoint = new Checkpoint();
  readonly #gate = new WalGate();
  readonly #deadLetters: DeadLetterQueue;
  readonly #dropped: DroppedEvents;
  readonly #replays: Replays | undefined;
  readonly #sinkCheckpoints: SinkCheckpoints | undefined;
  /** As long as the stream tells it again. */
  #settledEarlier: SettledEarlier["bySink"] | undefined;
  readonly #clock: Clock;
  readonly #onConfirmable: ((lsn: Lsn) => void) | undefined;
  #announced: Lsn | undefined;
  #stream: StreamStart | undefined;
  #settledElsewhere: Lsn = 0n;
  /** Ends every delivery. */
  readonly #abort = new AbortController();
  readonly #awaited = new AwaitedConditions(this.#abort.signal);
  #closed: Promise<void> | undefined;
  readonly #hurry = new AbortController();

  constructor(sinks: readonly SinkSettings[], options: DispatcherOptions) {
    const { metrics, random = Math.random, clock = systemClock, log = logOf("deliver") } = options;
    const changed = () => this.#changed();
    const stored = (lsn: Lsn | undefined) => this.#gate.stored(lsn);
    this.#clock = clock;
    this.#onConfirmable = options.onConfirmable;
    this.#deadLetters = new DeadLetterQueue(options.deadLetters, { clock, random, log, stored, changed });
    this.#dropped = new DroppedEvents(metrics, log);
    this.#roster = new SinkRoster(sinks, {
      metrics,
      log,
      clock,
      random,
      deadLetters: this.#deadLetters,
      signal: this.#abort.signal,
      outbox: options.outbox,
      gapType: options.gapType ?? (() => OWN_DIALECT.types.Gap),
      stored,
      settled: (event) => this.#checkpoint.settle(event),
      dropped: (sink, events) => this.#dropped.addLeft(sink, events),
      changed,
      stream: () => this.#stream,
      mayDeliver: options.mayDeliver ?? (() => true),
      isSettledElsewhere: ({ unsettled: { event: { position }, isAwaited } }) =>
        isAwaited && position !== undefined && position.commitLsn < this.#settledElsewhere,
    });
    const servingOf = (sink: string) => this.#roster.named(sink);
    this.#sinkCheckpoints = options.checkpoints && new SinkCheckpoints(options.checkpoints, {
      clock,
      log,
      followers: () => this.#roster.parkings,
      mayDeliver: options.mayDeliver ?? (() => true),
    });
    this.#replays = options.shelf && new Replays(options.shelf, servingOf, { clock, log });
  }

  /** Connects the sinks, in the background and for ever. */
  start(): void {
    for (const worker of this.#roster.workers) worker.start();
    this.#replays?.start();
  }

  /**
   * Delivers to these sinks from now on, to those that go on as before without a break. An event for a sink that is
   * not among them may still be queued until `unroute` is called. To be called again once `done` has resolved.
   * @param patience milliseconds that sinks get to end what they have under way, and removed ones in an outage to come
   * back for what they have not got
   */
  become(sinks: readonly SinkSettings[], patience: number): SinkChanges {
    return this.#roster.become(sinks, patience);
  }

  /**
   * The stream begins, or begins again; with another history than before, if what was told of LSNs before no longer holds.
   * Sinks that keep their own position are connected only now.
   */
  begin(stream: StreamStart, hasOtherHistory: boolean): void {
    this.#stream = stream;
    for (const worker of this.#roster.workers) worker.begin(stream, hasOtherHistory);
  }

  /**
   * Queues an event for its targets' sinks, which are known by their indexes. A queue is bounded because the producer
   * does not call this while `room` gives a promise.
   */
  enqueue(event: RouterEvent, targets: readonly Target[]): void {
    if (targets.length === 0) return;
    const unsettled = this.#checkpoint.add(event, targets.length);
    for (const { sink, route } of targets) {
      const parking = this.#roster.at(sink);
      const queued = new QueuedEvent(unsettled, route);
      if (this.#settledEarlier?.size && this.#hasSettled(parking.sink, event)) parking.settledEarlier(queued);
      else parking.enqueue(queued);
    }
  }

  /** To be asked of each event once. */
  #hasSettled(sink: string, { event }: RouterEvent): boolean {
    const settled = this.#settledEarlier?.get(sink);
    const isSettled = settled?.has(event) ?? false;
    if (settled?.isOver) this.#settledEarlier?.delete(sink);
    return isSettled;
  }

  /** From now on events are told by other routes, of which this is a digest. */
  routedBy(routes: string): void {
    this.#sinkCheckpoints?.routedBy(routes);
    for (const parking of this.#roster.parkings) parking.forgetPositions();
  }

  /**
   * Queues an event that has no position, for those of its targets' sinks whose queues have room; for the others it is
   * dropped, counted and told of. No position waits for it, and it takes no room from what `enqueue` queues: of such
   * events, too, a queue holds no more than its limit.
   */
  offer(event: RouterEvent, targets: readonly Target[]): void {
    const unsettled = new UnsettledEvent(event, Infinity);
    for (const { sink, route } of targets) {
      const parking = this.#roster.at(sink);
      if (parking.takesOffers) parking.enqueue(new QueuedEvent(unsettled, route));
      else this.#dropped.add(parking.state.name, route);
    }
  }

  /**
   * Undefined when every sink's queue has room, else a promise of it, which rejects with the reason of `signal`'s abort
   * or when the dispatcher is drained.
   */
  room(signal: AbortSignal): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined;
    return this.#awaited.until(() => this.#hasRoom(), signal);
  }

  /** All events queued before may be confirmed as `lsn` once every sink has settled them. */
  settle(lsn: Lsn): void {
    this.#checkpoint.mark(lsn);
    this.#gate.passed(lsn);
    this.#announce();
  }

  /** Nothing that the source's WAL has before this can be lost, however far the stream is. */
  safe(lsn: Lsn): void {
    this.#gate.passed(lsn);
    this.#announce();
  }

  /** `mayDeliver` may have another answer. */
  reconsider(): void {
    for (const worker of this.#roster.workers) worker.reconsider();
    for (const parking of this.#roster.parkings) parking.step();
    this.#changed();
  }

  /**
   * To be called whenever the stream begins anew, before its first event, and waited for. What was committed before the
   * confirmed position, and still waits, has been settled by somebody else: it goes nowhere any more. In another history
   * than before, what was settled so far may not be confirmed. Throws the signal's reason: a store that cannot be read is
   * waited for otherwise, however long.
   */
  async resume(beginning: Beginning, signal = new AbortController().signal): Promise<void> {
    const { sameTimelineAsBefore, wasElsewhere, confirmed } = beginning;
    if (!sameTimelineAsBefore) {
      this.#checkpoint.forgetMarks();
      this.#gate.reset();
      this.#announced = undefined;
      this.#settledEarlier?.clear();
      for (const parking of this.#roster.parkings) parking.forgetPositions();
    }
    this.#settledElsewhere = confirmed;
    this.#sinkCheckpoints?.follow(beginning);
    const recalled = this.#roster.parkings.map((parking) =>
      parking.recall({ hasSameHistory: sameTimelineAsBefore, wasElsewhere })
    );
    await abortable(Promise.all(recalled), signal);
    if (this.#sinkCheckpoints && !this.#settledEarlier) {
      const { bySink, lsn } = await abortable(this.#sinkCheckpoints.load(), signal);
      this.#gate.stored(lsn);
      this.#settledEarlier = bySink;
    }
    this.reconsider();
  }

  /** The newest settled mark that no failover can take back; only ever grows, until marks are forgotten. */
  get confirmable(): Lsn | undefined {
    return this.#gate.confirmable;
  }

  /** When the oldest event that is not settled was committed, in milliseconds since 1970; undefined with none. */
  get oldestCommittedAt(): number | undefined {
    return this.#checkpoint.oldest?.committedAt;
  }

  states(): readonly SinkState[] {
    return this.#roster.states();
  }

  get deadLetterState(): DeadLetterState {
    return this.#deadLetters.state;
  }

  /**
   * Ends the delivery: sends what is queued until all is settled, or nothing moves because the rest waits for sinks in
   * an outage or down, or `signal` aborts. Then aborts what is still under way, and disposes the sinks. What is left is
   * not settled. Nothing may be queued any more. Never rejects; all calls share one end.
   */
  drain(signal: AbortSignal): Promise<void> {
    if (signal.aborted) this.#hurry.abort();
    else signal.addEventListener("abort", () => this.#hurry.abort(), { once: true });
    return this.#closed ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain(AbortSignal.abort());
  }

  async #close(): Promise<void> {
    const replaysEnd = this.#replays?.stop();
    for (const worker of this.#roster.workers) worker.hurry();
    for (const parking of this.#roster.parkings) parking.hurry();
    await this.#awaited.until(() => this.#isStuckOrIdle(), this.#hurry.signal).catch(() => {});
    const reason = new DOMException("The router stops delivering", "AbortError");
    this.#abort.abort(reason);
    await Promise.all([
      this.#roster.close(),
      isInTime(this.#deadLetters.close(), GRACE, this.#clock),
      replaysEnd && isInTime(replaysEnd, GRACE, this.#clock),
    ]);
    if (this.#sinkCheckpoints) await isInTime(this.#sinkCheckpoints.close(), GRACE, this.#clock);
  }

  #hasRoom(): boolean {
    return this.#roster.parkings.every((parking) => parking.hasRoom);
  }

  #isStuckOrIdle(): boolean {
    return this.#deadLetters.isStuckOrIdle && this.#roster.workers.every((worker) => worker.isStuckOrIdle) &&
      this.#roster.parkings.every((parking) => parking.isStuckOrIdle);
  }

  #changed(): void {
    this.#sinkCheckpoints?.noticed();
    this.#roster.proceed();
    this.#announce();
    this.#awaited.look();
  }

  #announce(): void {
    this.#gate.settled(this.#checkpoint.confirmable);
    const { confirmable } = this.#gate;
    if (confirmable === undefined || confirmable === this.#announced) return;
    this.#announced = confirmable;
    this.#onConfirmable?.(confirmable);
  }
}
