import type { ConnectionOptions } from "node:tls";
import {
  type ICustomPartitioner,
  Kafka,
  type KafkaConfig,
  logLevel,
  type Message,
  Partitioners,
  type Producer,
} from "kafkajs";
import { abortable } from "../../src/sink/abortable.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { kafkaError } from "./kafka_errors.ts";
import { patchKafkajs } from "./kafkajs_patches.ts";
import type { KafkaRecord } from "./record.ts";
import { sinkErrorOf } from "./sink_error_of.ts";
import { Sockets } from "./sockets.ts";

export interface SessionOptions {
  readonly brokers: readonly string[];
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: KafkaConfig["sasl"];
  readonly idempotent: boolean;
  readonly compression: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** Milliseconds; default: less than the 240 s after which Azure forgets a connection without a word. */
  readonly idleMs?: number;
}

/** Records of one partition, all of them refused. */
export interface Refusal {
  readonly records: readonly KafkaRecord[];
  readonly error: SinkError;
}

const IDLE_MS = 180_000;
const CONNECTION_TIMEOUT = 10_000;
/** Before the end of a login's life (KIP-368) that the next request logs in anew; a token has been renewed by then. */
const REAUTHENTICATION_MS = 2_000;

patchKafkajs();

/**
 * One producer with its connections, for one call at a time. It lives until the first failure: kafkajs takes back the
 * sequence numbers of a request that failed, and then gives them to other records, which a broker that did write the
 * first would drop as repeats. A new producer has numbers of its own.
 */
export class Session implements AsyncDisposable {
  readonly #options: SessionOptions;
  readonly #sockets: Sockets;
  readonly #kafka: Kafka;
  readonly #producer: Producer;
  /** Where each message went, for as long as it is tried: on a second try it goes there again. */
  readonly #partitions = new WeakMap<Message, number>();
  #work: Promise<unknown> = Promise.resolve();
  #isSpent = false;

  constructor(options: SessionOptions) {
    const { brokers, tls, sasl, idempotent, timeout, idleMs = IDLE_MS } = options;
    this.#options = options;
    this.#sockets = new Sockets(idleMs);
    this.#kafka = new Kafka({
      clientId: "twinrouter",
      brokers: [...brokers],
      ...(tls && { ssl: tls }),
      ...(sasl && { sasl }),
      connectionTimeout: Math.min(timeout, CONNECTION_TIMEOUT),
      authenticationTimeout: timeout,
      requestTimeout: timeout,
      reauthenticationThreshold: REAUTHENTICATION_MS,
      // What fails is told by errors; kafkajs' own lines may hold whatever a server says.
      logLevel: logLevel.NOTHING,
      socketFactory: this.#sockets.factory,
      // Enough to try each broker of the list; beyond that the dispatcher retries.
      retry: { retries: Math.max(2, brokers.length), initialRetryTime: 50, maxRetryTime: 200 },
    });
    this.#producer = this.#kafka.producer({
      idempotent,
      allowAutoTopicCreation: false,
      metadataMaxAge: idleMs,
      createPartitioner: this.#createPartitioner,
      retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 300 },
    });
  }

  /** Whether it may be used no more. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  /** Logs in, and looks whether the topic is there, if one is named; throws a `SinkError`. */
  async connect(topic: string | undefined, signal: AbortSignal): Promise<void> {
    const [broker] = this.#options.brokers;
    await this.#within(signal, `reach Kafka at ${broker}`, () => this.#producer.connect());
    if (topic === undefined) return;
    await this.#within(signal, `find the Kafka topic ${topic}`, async () => {
      const admin = this.#kafka.admin();
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
    const byTopic = Map.groupBy(records, ({ topic }) => topic);
    const names = [...byTopic.keys()];
    const topicMessages = [...byTopic].map(([topic, records]) => ({
      topic,
      messages: records.map(({ message }) => message),
    }));
    const answers = await this.#within(
      signal,
      `write to the Kafka topic ${names.join(", ")}`,
      () =>
        this.#producer.sendBatch({
          topicMessages,
          acks: -1,
          timeout: this.#options.timeout,
          compression: this.#options.compression,
        }),
    );
    const codes = new Map(
      answers.map(({ topicName, partition, errorCode }) => [`${topicName}/${partition}`, errorCode]),
    );
    const place = ({ topic, message }: KafkaRecord) => `${topic}/${this.#partitions.get(message)}`;
    const refusals: Refusal[] = [];
    for (const [where, group] of Map.groupBy(records, place)) {
      const code = codes.get(where);
      if (code === 0) continue;
      this.#isSpent = true;
      const { name, kind } = code === undefined ? NO_ANSWER : kafkaError(code);
      refusals.push({
        records: group,
        error: new SinkError(kind, `Cannot write to Kafka at ${where}: ${name}`),
      });
    }
    return refusals;
  }

  /** Cuts the connections, at once; what kafkajs still does then comes to nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isSpent = true;
    this.#sockets.cut();
    await this.#work;
    await this.#producer.disconnect().catch(() => {});
  }

  /** Whatever fails, or is stopped, is the end of the session. */
  async #within<Result>(signal: AbortSignal, action: string, work: () => Promise<Result>): Promise<Result> {
    try {
      signal.throwIfAborted();
      const running = work();
      this.#work = running.catch(() => {});
      return await abortable(running, signal);
    } catch (error) {
      this.#isSpent = true;
      this.#sockets.cut();
      if (signal.aborted) throw new SinkError("retryable", `Cannot ${action}: stopped`);
      throw sinkErrorOf(error, action);
    }
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

const NO_ANSWER = { name: "no answer", kind: "retryable" } as const;
