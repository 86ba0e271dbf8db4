import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Clock } from "../sink/clock.ts";
import { isInTime } from "./is_in_time.ts";
import { Parking } from "./parking.ts";
import type { ParkingSurroundings } from "./parking_surroundings.ts";
import type { SinkSettings, SinkState } from "./sink_settings.ts";
import { SinkWorker } from "./sink_worker.ts";
import type { WorkerSurroundings } from "./worker_surroundings.ts";

/** What a place needs of the dispatcher, for the worker and the parking of its sink. */
export type PlaceSurroundings = Omit<WorkerSurroundings, "settled"> & ParkingSurroundings;

/** Milliseconds that a sink gets to let go after the abort. */
const GRACE = 2000;

/**
 * Where a sink is served, under one name and index: brings another sink in for it, and sees it off when it was removed.
 */
export class SinkPlace {
  readonly worker: SinkWorker;
  readonly parking: Parking;
  #settings: SinkSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #mayDeliver: () => boolean;
  /** The last one that was begun; never rejects. */
  #replacing: Promise<void> = Promise.resolve();
  #cancelDeadline: (() => void) | undefined;
  #isLate = false;
  #state: "serving" | "leaving" | "ending" | "left" = "serving";
  #ending: Promise<void> | undefined;
  readonly #left = Promise.withResolvers<void>();
  /** Some route may still lead here. */
  #isRouted = true;

  constructor(settings: SinkSettings, surroundings: PlaceSurroundings) {
    this.worker = new SinkWorker(settings, {
      ...surroundings,
      settled: (event) => event.origin ? event.origin.settled(event) : this.parking.settled(event),
      isSettledElsewhere: (event) =>
        event.parking?.state === "parked"
          ? this.parking.isStale(event)
          : surroundings.isSettledElsewhere(event),
      changed: () => {
        this.parking.step();
        surroundings.changed();
      },
    });
    this.parking = new Parking(settings, this.worker, surroundings);
    this.#settings = settings;
    this.#clock = surroundings.clock;
    this.#log = surroundings.log;
    this.#changed = surroundings.changed;
    this.#mayDeliver = surroundings.mayDeliver;
  }

  get settings(): SinkSettings {
    return this.#settings;
  }

  /** Whether a sink of its name may be served here. */
  get isOpen(): boolean {
    return this.#state === "serving" || this.#state === "leaving";
  }

  get isLeaving(): boolean {
    return this.#state !== "serving";
  }

  /** Resolves once its sink is gone, if it is ever removed. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /** Its sink is gone, and no route leads here. */
  get isVacant(): boolean {
    return this.#state === "left" && !this.#isRouted;
  }

  get state(): SinkState {
    return { ...this.parking.state, ...(this.isLeaving && { state: "leaving" }) };
  }

  /**
   * Has the queue go on with another sink: nothing begins with the one before, what it has under way may take
   * `patience` milliseconds, then it is disposed of. Resolves once the other is there.
   */
  replace(settings: SinkSettings, patience: number): Promise<void> {
    return this.#replacing = this.#replacing.then(async () => {
      await this.#letGo(patience);
      this.#settings = settings;
      this.worker.serve(settings);
      this.parking.serve(settings);
    });
  }

  /**
   * The sink is not wanted any more. It delivers what it has, and what comes until nothing is routed here; unless that
   * takes longer than `patience` milliseconds, and it is not connected: then the rest is dropped.
   */
  remove(patience: number): void {
    this.#state = "leaving";
    this.#waitFor(patience);
  }

  /** It is wanted after all. */
  keep(): void {
    this.#state = "serving";
    this.#isRouted = true;
    this.#isLate = false;
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
  }

  /** No route leads here any more, if it is still not wanted. */
  unroute(): void {
    if (!this.isLeaving) return;
    this.#isRouted = false;
    this.proceed();
  }

  /** To be called after each change: a sink that was removed may be done. */
  proceed(): void {
    if (this.#state !== "leaving") return;
    const isDone = !this.#isRouted && this.worker.isIdle && this.parking.isEmpty;
    // While nothing may be sent, what waits may be another router's to deliver: that is no loss.
    const isHopeless = this.#isLate && this.#mayDeliver() && this.worker.state.state !== "connected";
    if (isDone || isHopeless) this.#ending = this.#end();
  }

  /** Stops and disposes of the sink; what it has not delivered is not settled. The surroundings' signal has aborted. */
  async close(): Promise<void> {
    this.#cancelDeadline?.();
    if (this.#ending) return void await isInTime(this.#ending, GRACE, this.#clock);
    const parked = isInTime(this.parking.stop(), GRACE, this.#clock);
    const ended = Promise.all([this.worker.stop(), this.#replacing]);
    if (await isInTime(ended, GRACE, this.#clock)) await this.#dispose();
    else this.#leftBehind();
    await parked;
  }

  /** Looked at again from time to time: a sink that does not answer changes nothing. */
  #waitFor(patience: number): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#clock.after(patience, () => {
      this.#isLate = true;
      this.#waitFor(Math.max(patience, GRACE));
      this.proceed();
    });
  }

  async #end(): Promise<void> {
    this.#state = "ending";
    this.#cancelDeadline?.();
    await this.#replacing;
    await this.#letGo(0);
    await isInTime(this.parking.halt(), GRACE, this.#clock);
    this.parking.drop();
    this.worker.drop();
    this.#state = "left";
    this.#left.resolve();
    this.#changed();
  }

  /** Lets the sink end what it has under way, and disposes of it. */
  async #letGo(patience: number): Promise<void> {
    const quiet = this.worker.halt();
    if (!await isInTime(quiet, patience, this.#clock)) {
      this.worker.abortCalls(new DOMException("The sink is not wanted any more", "AbortError"));
      if (!await isInTime(quiet, GRACE, this.#clock)) {
        this.#leftBehind();
        this.worker.giveUp();
        return;
      }
    }
    await this.#dispose();
  }

  /** A sink that does not answer the abort is left as it is: it must not be disposed while it delivers. */
  #leftBehind(): void {
    this.#log.warn("Sink does not end its delivery: left behind", { sink: this.#settings.name });
  }

  async #dispose(): Promise<void> {
    const { name, sink } = this.#settings;
    try {
      if (!await isInTime(sink[Symbol.asyncDispose](), GRACE, this.#clock)) {
        this.#log.warn("Sink does not close: left behind", { sink: name });
      }
    } catch (error) {
      const state = messageOf(error);
      this.#log.warn("Sink failed to close", { sink: name, error: state });
    }
  }
}
