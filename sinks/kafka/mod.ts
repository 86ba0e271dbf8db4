import type { Batch, CreateSink, FailedEvent, Sink } from "../../src/sink/sink.ts";
import type { KafkaOptions } from "./config.ts";
import { Connector } from "./connector.ts";
import { Delivery } from "./delivery.ts";
import { ExactSink } from "./exact_sink.ts";
import type { Session } from "./session.ts";
import { TopicTemplate } from "./topic_template.ts";

export const createSink: CreateSink<KafkaOptions> = (options, { name, baseDirectory }) => {
  const connector = new Connector(options, baseDirectory);
  return options.delivery === "exactly-once"
    ? new ExactSink(options, connector, name)
    : new KafkaSink(options, connector);
};

/** Events in a batch that fill a request or two. */
const MAX_EVENTS = 1000;

/** Writes events to Kafka topics, as CloudEvents' Kafka binding says. */
class KafkaSink implements Sink {
  /** One batch at a time: what follows a request that failed must not overtake it. */
  readonly batch: { readonly maxEvents: number; readonly maxBytes: number };

  readonly #options: KafkaOptions;
  readonly #connector: Connector;
  readonly #topics: TopicTemplate;
  #session: Session | undefined;

  constructor(options: KafkaOptions, connector: Connector) {
    this.batch = { maxEvents: MAX_EVENTS, maxBytes: options.maxRequestBytes };
    this.#options = options;
    this.#connector = connector;
    this.#topics = new TopicTemplate(options.topic);
  }

  /** Always anew: it is called at the start and after failures, and a producer that failed is of no more use. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#close();
    await this.#connected(signal);
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    const { contentMode, maxRequestBytes } = this.#options;
    const delivery = new Delivery(batch, {
      topics: this.#topics,
      contentMode,
      maxRequestBytes,
      send: async (records) => {
        signal.throwIfAborted();
        return await (await this.#connected(signal)).send(records, signal);
      },
    });
    return await delivery.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#connector[Symbol.asyncDispose]();
  }

  async #connected(signal: AbortSignal): Promise<Session> {
    if (this.#session && !this.#session.isSpent) return this.#session;
    await this.#close();
    return this.#session = await this.#connector.open(this.#topics.only, signal);
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.[Symbol.asyncDispose]();
  }
}
