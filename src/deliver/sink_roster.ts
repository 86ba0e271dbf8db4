import { isDeepStrictEqual } from "node:util";
import { messageOf } from "../observe/message_of.ts";
import { isInTime } from "./is_in_time.ts";
import type { Parking } from "./parking.ts";
import { type PlaceSurroundings, SinkPlace } from "./sink_place.ts";
import type { SinkSettings, SinkState } from "./sink_settings.ts";
import type { SinkWorker } from "./sink_worker.ts";

/** What has become of the sinks. */
export interface SinkChanges {
  /** Where routes find each sink that is wanted now, by name. */
  readonly indexes: ReadonlyMap<string, number>;
  /** Names. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Served anew: with other settings, or because it was down. */
  readonly changed: readonly string[];
  /** Resolves once the sinks that were changed have made way; the removed ones may go on for longer. */
  readonly done: Promise<unknown>;
  /** To be called once nothing is routed to the removed sinks any more. */
  unroute(): void;
}

/** The sinks that are served: each keeps its index for as long as it is, and none ever gets that of another. */
export class SinkRoster {
  readonly #surroundings: PlaceSurroundings;
  /** By index; where a sink has left is a hole. */
  readonly #places: (SinkPlace | undefined)[];
  /** Of all of them; one that has left is gone from here. */
  #workers: readonly SinkWorker[];
  /** Of the workers, in the same order. */
  #parkings: readonly Parking[];
  #hasLeaving = false;

  constructor(sinks: readonly SinkSettings[], surroundings: PlaceSurroundings) {
    this.#surroundings = surroundings;
    this.#places = sinks.map((settings) => new SinkPlace(settings, surroundings));
    this.#workers = this.#live.map(({ worker }) => worker);
    this.#parkings = this.#live.map(({ parking }) => parking);
  }

  get workers(): readonly SinkWorker[] {
    return this.#workers;
  }

  get parkings(): readonly Parking[] {
    return this.#parkings;
  }

  at(index: number): Parking {
    const place = this.#places[index];
    if (place === undefined) throw new RangeError(`Cannot queue an event: there is no sink ${index}`);
    return place.parking;
  }

  /** Who serves the sink of this name, if it is wanted. */
  named(name: string): SinkWorker | undefined {
    return this.#live.find(({ settings, isLeaving }) => settings.name === name && !isLeaving)?.worker;
  }

  states(): readonly SinkState[] {
    return this.#live.map(({ state }) => state);
  }

  /**
   * From now on these sinks are wanted. One of the same name and settings as before goes on untouched, unless it is
   * down; a new one is started, but if it only has another name, not before the one of the old name has left. Those that
   * are made for nothing are disposed of.
   * @param patience milliseconds that sinks get to end what they have under way
   */
  become(sinks: readonly SinkSettings[], patience: number): SinkChanges {
    const names = new Set(sinks.map(({ name }) => name));
    const gone = this.#live.filter((place) => !place.isLeaving && !names.has(place.settings.name));
    for (const place of gone) place.remove(patience);
    const indexes = new Map<string, number>();
    const added: string[] = [];
    const changed: string[] = [];
    const replacing: Promise<void>[] = [];
    for (const settings of sinks) {
      const { name } = settings;
      let index = this.#places.findIndex((place) => place?.isOpen && place.settings.name === name);
      const place = this.#places[index];
      if (place === undefined) {
        index = this.#add(settings, patience);
        added.push(name);
      } else {
        place.keep();
        if (isSame(place.settings, settings) && place.worker.state.state !== "down") {
          void this.#discard(settings);
        } else {
          changed.push(name);
          replacing.push(place.replace(settings, patience));
        }
      }
      indexes.set(name, index);
    }
    this.#hasLeaving = this.#live.some(({ isLeaving }) => isLeaving);
    return {
      indexes,
      added,
      changed,
      removed: gone.map(({ settings }) => settings.name),
      done: Promise.all(replacing),
      unroute: () => {
        for (const place of gone) place.unroute();
        this.proceed();
      },
    };
  }

  /** To be called after each change: sinks that were removed leave when they are done. */
  proceed(): void {
    if (!this.#hasLeaving) return;
    for (const [index, place] of this.#places.entries()) {
      place?.proceed();
      if (place?.isVacant) this.#leave(index, place);
    }
  }

  /** Stops and disposes of every sink. The surroundings' signal has aborted. */
  async close(): Promise<void> {
    await Promise.all(this.#live.map((place) => place.close()));
  }

  get #live(): readonly SinkPlace[] {
    return this.#places.filter((place) => place !== undefined);
  }

  #add(settings: SinkSettings, patience: number): number {
    const former = this.#live.filter((place) => place.isLeaving && haveOneFarEnd(place.settings, settings));
    const place = new SinkPlace(settings, this.#surroundings);
    const index = this.#places.push(place) - 1;
    this.#workers = [...this.#workers, place.worker];
    this.#parkings = [...this.#parkings, place.parking];
    if (former.length === 0) place.worker.start();
    else void this.#startAfter(former, place, patience);
    void place.parking.recall();
    return index;
  }

  /** Two sinks with one file, or one MQTT client identifier, would get in each other's way. */
  async #startAfter(former: readonly SinkPlace[], { worker }: SinkPlace, patience: number): Promise<void> {
    await isInTime(Promise.all(former.map(({ left }) => left)), patience, this.#surroundings.clock);
    worker.start();
  }

  #leave(index: number, { worker, parking, settings: { name } }: SinkPlace): void {
    this.#places[index] = undefined;
    this.#workers = this.#workers.filter((other) => other !== worker);
    this.#parkings = this.#parkings.filter((other) => other !== parking);
    this.#hasLeaving = this.#live.some(({ isLeaving }) => isLeaving);
    if (!this.#live.some(({ settings }) => settings.name === name)) {
      worker.forgetGauges();
      parking.forgetGauges();
    }
    this.#surroundings.log.info("Sink has left", { sink: name });
  }

  async #discard({ name, sink }: SinkSettings): Promise<void> {
    try {
      await sink[Symbol.asyncDispose]();
    } catch (error) {
      this.#surroundings.log.warn("Sink failed to close", { sink: name, error: messageOf(error) });
    }
  }
}

function haveOneFarEnd(one: SinkSettings, other: SinkSettings): boolean {
  return one.kind === other.kind && isDeepStrictEqual(one.options, other.options);
}

function isSame(one: SinkSettings, other: SinkSettings): boolean {
  const { sink: _, ...before } = one;
  const { sink: __, ...after } = other;
  return isDeepStrictEqual(before, after);
}
