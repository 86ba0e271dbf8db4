import type { Counter } from "prom-client";
import type { Metrics } from "../observe/metrics.ts";
import type { QueuedEvent } from "./pending_events.ts";

type Result = "delivered" | "dead_lettered";

/** One sink's metrics, with every label looked up once. */
export class SinkMeter {
  readonly #sink: string;
  readonly #metrics: Metrics;
  readonly #settled = {
    delivered: new Map<string, Counter.Internal>(),
    dead_lettered: new Map<string, Counter.Internal>(),
  };
  readonly #retries;
  readonly #queuedEvents;
  readonly #queuedBytes;
  readonly #connected;
  readonly #deliverySeconds;
  #isForgotten = false;

  constructor(metrics: Metrics, sink: string) {
    this.#sink = sink;
    this.#metrics = metrics;
    this.#retries = metrics.retries.labels(sink);
    this.#queuedEvents = metrics.queuedEvents.labels(sink);
    this.#queuedBytes = metrics.queuedBytes.labels(sink);
    this.#connected = metrics.sinkConnected.labels(sink);
    this.#deliverySeconds = metrics.deliverySeconds.labels(sink);
    this.queue(0, 0);
    this.connected(false);
  }

  queue(events: number, bytes: number): void {
    if (this.#isForgotten) return;
    this.#queuedEvents.set(events);
    this.#queuedBytes.set(bytes);
  }

  /** Takes out what tells of the present, for good. */
  forget(): void {
    this.#isForgotten = true;
    const { queuedEvents, queuedBytes, sinkConnected } = this.#metrics;
    for (const gauge of [queuedEvents, queuedBytes, sinkConnected]) gauge.remove(this.#sink);
  }

  connected(yes: boolean): void {
    if (!this.#isForgotten) this.#connected.set(yes ? 1 : 0);
  }

  retried(events: number): void {
    this.#retries.inc(events);
  }

  /** @param now milliseconds since 1970 */
  delivered(events: readonly QueuedEvent[], now: number): void {
    this.#count(events, "delivered");
    for (const { unsettled } of events) {
      this.#deliverySeconds.observe(Math.max(0, now - unsettled.event.committedAt) / 1000);
    }
  }

  deadLettered(event: QueuedEvent): void {
    this.#count([event], "dead_lettered");
  }

  /** Counts runs of one type at once: most batches have a few types, and the counter costs more than comparing. */
  #count(events: readonly QueuedEvent[], result: Result): void {
    let type: string | undefined;
    let run = 0;
    for (const { unsettled } of events) {
      if (unsettled.event.event.type !== type) {
        if (type !== undefined) this.#counter(type, result).inc(run);
        type = unsettled.event.event.type;
        run = 0;
      }
      run++;
    }
    if (type !== undefined) this.#counter(type, result).inc(run);
  }

  #counter(type: string, result: Result): Counter.Internal {
    let counter = this.#settled[result].get(type);
    if (counter === undefined) {
      counter = this.#metrics.events.labels(type, this.#sink, result);
      this.#settled[result].set(type, counter);
    }
    return counter;
  }
}
