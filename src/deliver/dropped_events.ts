import { isWorthTelling } from "../observe/is_worth_telling.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";

/** Counts the events that no sink gets any more, and tells of them. */
export class DroppedEvents {
  readonly #metrics: Metrics;
  readonly #log: Log;
  /** Calls of `addLeft`, by sink. */
  readonly #timesLeft = new Map<string, number>();
  /** By sink. */
  readonly #times = new Map<string, number>();

  constructor(metrics: Metrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** What a sink that was removed has not taken. */
  addLeft(sink: string, events: number): void {
    this.#metrics.droppedEvents.inc({ sink }, events);
    const times = (this.#timesLeft.get(sink) ?? 0) + 1;
    this.#timesLeft.set(sink, times);
    if (!isWorthTelling(times)) return;
    this.#log.error("Sink was removed and does not take its last events: they are dropped", { sink, events });
  }

  /** One that found the sink's queue full and could not wait; told now and then. */
  add(sink: string, route: string): void {
    this.#metrics.droppedEvents.inc({ sink });
    const times = (this.#times.get(sink) ?? 0) + 1;
    this.#times.set(sink, times);
    if (!isWorthTelling(times)) return;
    this.#log.warn("Sink's queue is full: an event that cannot wait is dropped", { sink, route, times });
  }
}
