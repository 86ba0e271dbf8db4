import {
  type ICustomPartitioner,
  type Message,
  Partitioners,
  type Producer,
  type ProducerConfig,
} from "kafkajs";
import { SinkError } from "../../src/sink/sink_error.ts";
import { Client, type ClientOptions } from "./client.ts";
import { kafkaError } from "./kafka_errors.ts";
import type { KafkaRecord } from "./record.ts";

export interface SessionOptions extends ClientOptions {
  readonly idempotent: boolean;
  /** As kafkajs numbers them. */
  readonly compression: number;
}

/** Records of one partition, all of them refused. */
export interface Refusal {
  readonly records: readonly KafkaRecord[];
  readonly error: SinkError;
}

/**
 * One producer with its connections, for one call at a time. It lives until the first failure: kafkajs takes back the
 * sequence numbers of a request that failed, and then gives them to other records, which a broker that did write the
 * first would drop as repeats. A new producer has numbers of its own.
 */
export class Session implements AsyncDisposable {
  protected readonly client: Client;
  protected readonly producer: Producer;
  readonly #options: SessionOptions;
  /** Where each message went, for as long as it is tried: on a second try it goes there again. */
  readonly #partitions = new WeakMap<Message, number>();

  constructor(options: SessionOptions, kind: ProducerConfig = plain(options)) {
    this.#options = options;
    this.client = new Client(options);
    this.producer = this.client.kafka.producer({
      ...this.client.metadata,
      ...kind,
      createPartitioner: this.#createPartitioner,
    });
  }

  /** Whether it may be used no more. */
  get isSpent(): boolean {
    return this.client.isSpent;
  }

  /** Logs in, and looks whether the topic is there, if one is named; throws a `SinkError`. */
  async connect(topic: string | undefined, signal: AbortSignal): Promise<void> {
    const [broker] = this.#options.brokers;
    await this.client.within(signal, `reach Kafka at ${broker}`, () => this.producer.connect());
    if (topic === undefined) return;
    await this.client.within(signal, `find the Kafka topic ${topic}`, async () => {
      const admin = this.client.kafka.admin();
      try {
        await admin.connect();
        await admin.fetchTopicMetadata({ topics: [topic] });
      } finally {
        await admin.disconnect();
      }
    });
  }

  /**
   * Sends records together; resolves with those that were refused, by partition, when all others are written. Throws a
   * `SinkError` when nobody knows what was written, or nothing was.
   */
  async send(records: readonly KafkaRecord[], signal: AbortSignal): Promise<readonly Refusal[]> {
    const topics = [...new Set(records.map(({ topic }) => topic))].join(", ");
    return await this.client.within(signal, `write to the Kafka topic ${topics}`, () => {
      return this.produce(this.producer.sendBatch, records);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.producer.disconnect().catch(() => {});
  }

  protected async produce(
    sendBatch: Producer["sendBatch"],
    records: readonly KafkaRecord[],
  ): Promise<readonly Refusal[]> {
    const topicMessages = [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, records]) => ({
      topic,
      messages: records.map(({ message }) => message),
    }));
    const { timeout, compression } = this.#options;
    const answers = await sendBatch({ topicMessages, acks: -1, timeout, compression });
    const codes = new Map(
      answers.map(({ topicName, partition, errorCode }) => [`${topicName}/${partition}`, errorCode]),
    );
    const place = ({ topic, message }: KafkaRecord) => `${topic}/${this.#partitions.get(message)}`;
    const refusals: Refusal[] = [];
    for (const [where, group] of Map.groupBy(records, place)) {
      const error = this.refusal(where, codes.get(where));
      if (error) refusals.push({ records: group, error });
    }
    return refusals;
  }

  /** What a partition's answer says against its records, if anything; then kafkajs' numbers are no longer the broker's. */
  protected refusal(where: string, code: number | undefined): SinkError | undefined {
    if (code === 0) return undefined;
    this.client.spend();
    const { name, kind } = code === undefined ? NO_ANSWER : kafkaError(code);
    return new SinkError(kind, `Cannot write to Kafka at ${where}: ${name}`);
  }

  readonly #createPartitioner: ICustomPartitioner = () => {
    const choose = Partitioners.DefaultPartitioner();
    return (args) => {
      let partition = this.#partitions.get(args.message);
      if (partition === undefined) this.#partitions.set(args.message, partition = choose(args));
      return partition;
    };
  };
}

function plain({ idempotent }: SessionOptions): ProducerConfig {
  return { idempotent, retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 300 } };
}

const NO_ANSWER = { name: "no answer", kind: "retryable" } as const;
