import type { Clock } from "../sink/clock.ts";
import type { SinkError } from "../sink/sink_error.ts";
import { assess, type Failures, type Flight, noteFailure } from "./assessment.ts";
import type { DeadLetterQueue } from "./dead_letter_queue.ts";
import type { PendingEvents, QueuedEvent } from "./pending_events.ts";
import type { QueueLoad } from "./queue_load.ts";
import type { Answer } from "./sink_calls.ts";
import type { SinkMeter } from "./sink_meter.ts";
import type { SinkReach } from "./sink_reach.ts";
import type { SinkSettings } from "./sink_settings.ts";
import type { StreamTrail } from "./stream_trail.ts";

export interface FlightResultsSurroundings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly pending: PendingEvents;
  readonly trail: StreamTrail;
  readonly load: QueueLoad;
  readonly reach: SinkReach;
  readonly meter: SinkMeter;
  readonly deadLetters: DeadLetterQueue;
  /** The sink has settled the event. */
  readonly forget: (event: QueuedEvent) => void;
  /** A dead letter is durable, and its event forgotten. */
  readonly buried: () => void;
}

/**
 * Does with the events of a batch what the sink's answer and the retry policy say: settles them, gives them back to the
 * queue, or makes dead letters of them. A batch that failed by a throw stays first and in order; only an event that was
 * tried `maxAttempts` times steps aside, lest it is the culprit.
 */
export class FlightResults {
  readonly #of: FlightResultsSurroundings;

  constructor(surroundings: FlightResultsSurroundings) {
    this.#of = surroundings;
  }

  /**
   * The sink has answered.
   * @param inOrder whether it takes everything in order
   * @param isStopped whether nothing more is to be sent: what it did not take is left as it is
   */
  answered(
    flight: Flight,
    { outcome, wasToldToEnd }: Answer,
    settings: SinkSettings,
    inOrder: boolean,
    isStopped: boolean,
  ): void {
    const { batch } = flight;
    const { failed, thrown, fault } = outcome;
    const { reach } = this.#of;
    if (fault !== undefined) reach.faulty(fault);
    if (thrown !== undefined) reach.lostConnection();
    if (failed.size === 0) {
      this.#allTaken(flight);
      if (!isStopped) reach.worked(flight);
    } else if (isStopped) this.#settle(batch.filter((_, index) => !failed.has(index)));
    else if (wasToldToEnd) this.takeBack(flight, batch.filter((_, index) => failed.has(index)));
    else if (inOrder) this.#dealInOrder(flight, failed, thrown, settings);
    else if (thrown !== undefined && this.#blamesNone(flight, thrown, settings)) {
      this.#restore(flight, thrown);
    } else this.#deal(flight, failed, settings);
  }

  /** Of a sink that was told to end: its events that failed are the next again, as if nobody had tried them. */
  takeBack({ batch }: Flight, failed: readonly QueuedEvent[]): void {
    const { pending, trail } = this.#of;
    pending.restore(failed);
    for (const event of batch) pending.release(event.key);
    const kept = new Set(failed);
    const taken = batch.filter((event) => !kept.has(event));
    trail.taken(taken);
    this.#settle(taken);
  }

  #allTaken({ batch }: Flight): void {
    const { reach, pending, trail } = this.#of;
    reach.settled(batch.length);
    for (const event of batch) pending.release(event.key);
    trail.taken(batch);
    this.#settle(batch);
  }

  #settle(delivered: readonly QueuedEvent[]): void {
    const { forget, meter, clock } = this.#of;
    for (const event of delivered) forget(event);
    meter.delivered(delivered, clock.now());
  }

  /** Whether a throw says nothing of single events: it was for several, or shows that nothing is taken at all. */
  #blamesNone(flight: Flight, thrown: SinkError, { retry }: SinkSettings): boolean {
    if (thrown.kind === "fatal") return false;
    if (flight.batch.length > 1) return true;
    const tries = flight.batch[0]?.failures?.tries ?? 0;
    return thrown.kind === "retryable" && this.#of.reach.isFruitless(flight) && tries < retry.maxAttempts;
  }

  #restore(flight: Flight, thrown: SinkError): void {
    const { pending, meter, reach } = this.#of;
    for (const event of flight.batch) noteFailure(event, flight);
    pending.restore(flight.batch);
    meter.retried(flight.batch.length);
    reach.trySingly();
    reach.threw();
    if (thrown.kind === "retryable" && reach.isFruitless(flight)) reach.pause(thrown, true);
  }

  /** Settles what was taken, and does with each failed event what the policy says. */
  #deal(flight: Flight, failed: ReadonlyMap<number, SinkError>, settings: SinkSettings): void {
    const { pending, meter, reach, load, random } = this.#of;
    const result = assess(flight, failed, reach.settledEver, settings.retry, random);
    reach.settled(result.settled);
    for (const event of result.kept.toReversed()) pending.giveBack(event);
    for (const event of flight.batch) {
      if (!result.delays.has(event.key)) pending.release(event.key);
    }
    meter.retried(result.delays.size);
    for (const { event, failures, error } of result.deadLetters) this.#bury(event, failures, error, settings);
    this.#settle(result.delivered);
    if (result.fatal !== undefined) reach.goDown(result.fatal);
    else if (result.settled > 0) reach.worked(flight);
    else if (result.retryable !== undefined && reach.isFruitless(flight)) reach.pause(result.retryable, true);
    for (const [key, delay] of result.delays) reach.holdKey(key, delay);
    if (load.isDelivered) reach.probeByConnecting();
  }

  /**
   * Of a sink that takes everything in order: what stands before the first event that failed is taken, and the rest comes
   * again as it was, without an event that is rejected.
   */
  #dealInOrder(
    flight: Flight,
    failed: ReadonlyMap<number, SinkError>,
    thrown: SinkError | undefined,
    settings: SinkSettings,
  ): void {
    const { pending, meter, reach, trail } = this.#of;
    const { batch } = flight;
    const first = Math.min(...failed.keys());
    const [event, error] = [batch[first], failed.get(first)];
    if (event === undefined || error === undefined) return;
    const isRejected = error.kind === "rejected" && (thrown === undefined || batch.length === 1);
    const taken = batch.slice(0, first);
    const again = batch.slice(isRejected ? first + 1 : first);
    for (const each of batch) pending.release(each.key);
    pending.restore(again);
    reach.settled(taken.length);
    if (isRejected) {
      reach.settled(1);
      this.#bury(event, noteFailure(event, flight), error, settings);
    } else {
      for (const each of again) noteFailure(each, flight);
      meter.retried(again.length);
    }
    trail.taken(taken);
    this.#settle(taken);
    if (thrown !== undefined) reach.threw();
    if (error.kind === "fatal") reach.goDown(error);
    else if (isRejected || taken.length > 0) reach.worked(flight);
    else reach.pause(error, true);
  }

  #bury(event: QueuedEvent, failures: Failures, error: SinkError, { name }: SinkSettings): void {
    const { load, deadLetters, meter, forget, buried } = this.#of;
    load.buried();
    event.isBuried = true;
    const letter = {
      sink: name,
      route: event.route,
      reason: error.message,
      kind: error.kind,
      attempts: failures.tries,
      firstTime: failures.firstAt,
      lastTime: failures.lastAt,
      event: event.unsettled.event.event,
      ...(event.origin?.letter !== undefined && { replayOf: event.origin.letter }),
    };
    deadLetters.add(letter, () => {
      load.unearthed();
      meter.deadLettered(event);
      forget(event);
      buried();
    });
  }
}
