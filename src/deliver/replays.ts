import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import { UnsettledEvent } from "./checkpoint.ts";
import type { Clock } from "../sink/clock.ts";
import { type Origin, QueuedEvent } from "./pending_events.ts";
import type { SinkState } from "./sink_settings.ts";
import type { DeadLetterShelf, StoredLetter } from "./store/dead_letter_shelf.ts";
import { readStoredEvent } from "./stored_event.ts";

/** Milliseconds between two looks; longer after a look that failed. */
const INTERVAL = 2_000;
const LONG_INTERVAL = 30_000;
const MOST_AT_ONCE = 200;

/** Who serves a sink. */
interface Worker {
  readonly state: SinkState;
  readonly takesOffers: boolean;
  enqueue(event: QueuedEvent): void;
}

/**
 * Delivers dead letters again when somebody asks for it. Only a sink that takes events gets any, and it gets the next
 * ones when it has dealt with those. One that is taken is gone; one that fails again is a dead letter as before. No
 * position waits for them, and they come in no order with later events of their keys, which have long been delivered.
 */
export class Replays {
  readonly #shelf: DeadLetterShelf;
  /** By their sinks' names. */
  readonly #workerOf: (sink: string) => Worker | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Letters that are on their way, by sink. */
  readonly #underWay = new Map<string, Set<number>>();
  /** Taken by their sinks, and still there. */
  #taken: number[] = [];
  #looking: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #stopped = false;
  #isFailing = false;

  constructor(
    shelf: DeadLetterShelf,
    workerOf: (sink: string) => Worker | undefined,
    { clock, log }: { clock: Clock; log: Log },
  ) {
    this.#shelf = shelf;
    this.#workerOf = workerOf;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#look();
  }

  /** Resolves once what was taken so far is gone from the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#looking;
    await this.#forgetTaken().catch(() => {}); // it comes once more
  }

  #look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#looking ??= this.#lookForSinks().then(() => this.#isFailing = false, (error: unknown) => {
      if (!this.#isFailing) {
        this.#log.debug("Cannot look for dead letters to replay", { error: messageOf(error) });
      }
      this.#isFailing = true;
    }).then(() => {
      this.#looking = undefined;
      if (this.#stopped) return;
      this.#cancel = this.#clock.after(this.#isFailing ? LONG_INTERVAL : INTERVAL, () => this.#look());
    });
  }

  async #lookForSinks(): Promise<void> {
    await this.#forgetTaken();
    for (const sink of await this.#shelf.sinksToReplay()) {
      const worker = this.#workerOf(sink);
      if (!worker || this.#stopped || this.#underWay.has(sink)) continue;
      if (worker.state.state !== "connected" || !worker.takesOffers) continue;
      const letters = await this.#shelf.page({ sink, status: "replay" }, 0, MOST_AT_ONCE);
      const events = letters.flatMap((letter) => this.#queued(letter) ?? []);
      if (this.#stopped || events.length === 0) continue;
      this.#underWay.set(sink, new Set(events.map(({ origin }) => origin?.letter ?? 0)));
      this.#log.info("Dead letters are tried again", { sink, deadLetters: events.length });
      for (const event of events) worker.enqueue(event);
    }
  }

  #queued({ id, sink, route = "", graph = "", event: text = "" }: StoredLetter): QueuedEvent | undefined {
    try {
      const event = { ...readStoredEvent(text), graph };
      const origin: Origin = { letter: id, settled: ({ isBuried }) => this.#settled(sink, id, isBuried) };
      const committedAt = Date.parse(event.time) || this.#clock.now();
      return new QueuedEvent(new UnsettledEvent({ event, graph, committedAt }, Infinity), route, origin);
    } catch (error) {
      this.#log.warn("Cannot replay a dead letter", { id, sink, error: messageOf(error) });
      return undefined;
    }
  }

  #settled(sink: string, id: number, isBuried: boolean): void {
    if (!isBuried) this.#taken.push(id);
    const left = this.#underWay.get(sink);
    left?.delete(id);
    if (left?.size !== 0) return;
    this.#underWay.delete(sink);
    if (!this.#stopped) this.#look();
  }

  /** What is not known to be gone is tried once more. */
  async #forgetTaken(): Promise<void> {
    const taken = this.#taken;
    if (taken.length === 0) return;
    this.#taken = [];
    try {
      await this.#shelf.drop(taken);
    } catch (error) {
      this.#taken.push(...taken);
      throw error;
    }
  }
}
