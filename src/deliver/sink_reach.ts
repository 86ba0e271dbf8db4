import type { Log } from "../observe/log.ts";
import type { Clock } from "../sink/clock.ts";
import type { SinkError } from "../sink/sink_error.ts";
import type { Flight } from "./assessment.ts";
import { Backoffs } from "./backoffs.ts";
import type { QueuedEvent } from "./pending_events.ts";
import { backoff, type RetrySettings } from "./retry_policy.ts";
import { SinkHealth } from "./sink_health.ts";
import type { SinkMeter } from "./sink_meter.ts";

/** Milliseconds after which a delivery without an answer is a sign of trouble. */
const PATIENCE = 60_000;

/** A time in which the sink settled nothing. */
interface Outage {
  failures: number;
  /** A delivery failed, so that only a delivery can show its end; else a connection does. */
  deliveryFailed: boolean;
}

export interface SinkReachSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** The wait of a key is over. */
  readonly freeKey: (key: string) => void;
  /** Some wait is over; called after `freeKey`. */
  readonly waited: () => void;
}

/**
 * Whether a sink's far end is within reach, and how much it is trusted with: in an outage one event after each pause, and
 * once that is taken, batches that double up to the full size.
 */
export class SinkReach {
  readonly #surroundings: SinkReachSurroundings;
  readonly #meter: SinkMeter;
  readonly #health: SinkHealth;
  readonly #backoffs: Backoffs;
  #retry: RetrySettings;
  /** Events in a batch, at most. */
  #maxEvents: number;
  #batchSize: number;
  #needsConnect = true;
  #outage: Outage | undefined;
  #settledEver = 0;
  /** How often the sink has thrown. */
  #throws = 0;

  constructor(
    { name, retry }: { readonly name: string; readonly retry: RetrySettings },
    maxEvents: number,
    meter: SinkMeter,
    surroundings: SinkReachSurroundings,
  ) {
    this.#retry = retry;
    this.#maxEvents = this.#batchSize = maxEvents;
    this.#meter = meter;
    this.#surroundings = surroundings;
    this.#health = new SinkHealth(name, surroundings.clock, surroundings.log);
    this.#backoffs = new Backoffs(surroundings.clock, surroundings.freeKey, surroundings.waited);
  }

  /**
   * What is known of the far end.
   * @param oldest the batch that the sink has had for the longest time: without an answer that is a sign of trouble
   */
  healthWith(oldest: Flight | undefined): Pick<SinkHealth, "condition" | "since" | "began" | "lastError"> {
    if (oldest === undefined || this.#health.condition !== "connected") return this.#health;
    const silence = this.#surroundings.clock.steady() - oldest.began;
    if (silence < PATIENCE) return this.#health;
    const lastError = `Cannot tell what was delivered: no answer for ${Math.round(silence / 1000)} s`;
    return { condition: "stalled", since: oldest.sentAt, began: oldest.began, lastError };
  }

  get isDown(): boolean {
    return this.#health.condition === "down";
  }

  /** It settles nothing: what is sent is to find out whether that is over. */
  get isInOutage(): boolean {
    return this.#outage !== undefined;
  }

  /** Nothing is to be tried for a while. */
  get isPausing(): boolean {
    return this.#backoffs.isPausing;
  }

  /** Whether it has to be connected before anything is sent. */
  get needsConnect(): boolean {
    return this.#needsConnect;
  }

  /** How many events it may be sent at once. */
  get batchSize(): number {
    return this.#batchSize;
  }

  /** How many events the sink took or rejected, ever. */
  get settledEver(): number {
    return this.#settledEver;
  }

  /** Another sink is served, of which nothing is known. */
  beginAgain(retry: RetrySettings, maxEvents: number): void {
    this.#retry = retry;
    this.#maxEvents = this.#batchSize = maxEvents;
    this.#needsConnect = true;
    this.#outage = undefined;
    this.#backoffs.end();
    this.#health.beginAgain();
    this.#meter.connected(false);
  }

  /** Ends all waits. */
  end(): void {
    this.#backoffs.end();
  }

  /** Its connection is not to be relied on. */
  lostConnection(): void {
    this.#needsConnect = true;
  }

  connected(): void {
    this.#needsConnect = false;
    if (this.#outage === undefined) this.#isHealthy();
    else if (!this.#outage.deliveryFailed) this.#outageOver();
  }

  failedToConnect(error: SinkError): void {
    if (error.kind === "fatal") this.goDown(error);
    else this.pause(error, false);
  }

  /** The sink breaks its contract. */
  faulty(fault: string): void {
    this.#health.faulty(fault);
  }

  /** A batch is about to be sent. */
  launched(batch: readonly QueuedEvent[]): Flight {
    const { clock } = this.#surroundings;
    return {
      batch,
      sentAt: clock.now(),
      began: clock.steady(),
      settledBefore: this.#settledEver,
      throwsBefore: this.#throws,
    };
  }

  /** The sink has settled nothing since it got the batch. */
  isFruitless(flight: Flight): boolean {
    return this.#settledEver === flight.settledBefore;
  }

  /** It took or rejected so many. */
  settled(events: number): void {
    this.#settledEver += events;
  }

  threw(): void {
    this.#throws++;
  }

  /** What has failed is tried singly. */
  trySingly(): void {
    this.#batchSize = 1;
  }

  /** The sink settled something: an outage is over, and batches may grow again. */
  worked({ throwsBefore }: Flight): void {
    // One that was under way when another threw says nothing of the events that threw: those are tried singly first.
    if (throwsBefore === this.#throws) this.#batchSize = Math.min(this.#maxEvents, this.#batchSize * 2);
    if (this.#outage !== undefined) this.#outageOver();
  }

  /** No event is left to find out with whether an outage is over, so a connection must do. */
  probeByConnecting(): void {
    if (this.#outage === undefined) return;
    this.#outage.deliveryFailed = false;
    this.#needsConnect = true;
  }

  /** Milliseconds that a key is to wait for by itself. */
  holdKey(key: string, delay: number): void {
    this.#backoffs.holdKey(key, delay);
  }

  /** The sink settles nothing, or cannot be connected: waits before it tries again. */
  pause(error: SinkError, deliveryFailed: boolean): void {
    if (this.isDown) return;
    this.#health.failed(error);
    this.#meter.connected(false);
    this.#batchSize = 1;
    this.#outage ??= { failures: 0, deliveryFailed };
    this.#outage.deliveryFailed ||= deliveryFailed;
    if (this.#backoffs.isPausing) return; // of several batches that failed together, the first counts
    this.#outage.failures++;
    const { random } = this.#surroundings;
    this.#backoffs.pause(backoff(this.#retry, this.#outage.failures, random, error.retryAfterMs));
  }

  /** Nothing will be taken until somebody changes something. */
  goDown(error: SinkError): void {
    this.#outage = undefined;
    this.#backoffs.end();
    this.#health.down(error);
    this.#meter.connected(false);
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
}
