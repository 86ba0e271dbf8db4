import { isWorthTelling } from "../observe/is_worth_telling.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";

/** Counts the events that found a sink's queue full and could not wait, and tells of them now and then. */
export class DroppedEvents {
  readonly #metrics: Metrics;
  readonly #log: Log;
  /** By sink. */
  readonly #times = new Map<string, number>();

  constructor(metrics: Metrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  add(sink: string, route: string): void {
    this.#metrics.droppedEvents.inc({ sink });
    const times = (this.#times.get(sink) ?? 0) + 1;
    this.#times.set(sink, times);
    if (!isWorthTelling(times)) return;
    this.#log.warn("Sink's queue is full: an event that cannot wait is dropped", { sink, route, times });
  }
}
