import { Dispatcher } from "../../src/deliver/dispatcher.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import type { CloudEvent, Sink, StreamStart } from "../../src/sink/sink.ts";
import { DeadLetterRecords, LogRecords } from "./delivery.ts";
import { until } from "./until.ts";

/** What the events come from. */
export const STREAM: StreamStart = { systemIdentifier: "7", slot: "age_slot", timeline: 1, ancestors: [] };

/** Delivery of events by a dispatcher in real time, which a test may disturb while it goes on. */
export class Dispatching implements AsyncDisposable {
  readonly deadLetters = new DeadLetterRecords();
  readonly log = new LogRecords();
  readonly #dispatcher: Dispatcher;
  readonly #count: bigint;

  constructor(sink: Sink, events: readonly CloudEvent[], maxBatchSize = 100) {
    this.#dispatcher = new Dispatcher([{
      name: "Sink",
      kind: "any",
      sink,
      maxBatchSize,
      retry: { initial: 20, max: 200, maxAttempts: 10 },
      queue: { maxEvents: 1_000_000, maxBytes: 1 << 30 },
    }], { deadLetters: this.deadLetters, metrics: new Metrics(), log: this.log });
    for (const [index, event] of events.entries()) {
      const position = { commitLsn: BigInt(index + 1), ordinal: 0 };
      const routed = {
        event,
        graph: "digitaltwins",
        format: "EventNotification",
        position,
        committedAt: Date.now(),
      } as const;
      this.#dispatcher.enqueue(routed, [{ sink: 0, route: "all" }]);
      this.#dispatcher.settle(BigInt(index + 1));
    }
    this.#count = BigInt(events.length);
    this.#dispatcher.begin(STREAM, false);
    this.#dispatcher.start();
  }

  get settled(): number {
    return Number(this.#dispatcher.confirmable ?? 0n);
  }

  get state(): string | undefined {
    return this.#dispatcher.states()[0]?.state;
  }

  /** Resolves once the sink's state is this. */
  async stateIs(state: string): Promise<void> {
    await until(() => this.state === state, () => `the sink to be ${state}; it is ${this.state}`);
  }

  /** Resolves once so many events are settled, by default all. */
  async untilSettled(count = Number(this.#count)): Promise<void> {
    await until(
      () => this.settled >= count,
      () =>
        `${count} events to be settled; ${this.settled} are, ${JSON.stringify(this.#dispatcher.states())}`,
      60_000,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispatcher[Symbol.asyncDispose]();
  }
}
