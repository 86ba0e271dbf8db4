import type { Message } from "kafkajs";
import type { SinkError } from "../../src/sink/sink_error.ts";
import { lastRecord } from "./last_record.ts";
import type { KafkaRecord } from "./record.ts";
import { Session, type SessionOptions } from "./session.ts";

/** `FindCoordinator` knows two kinds. */
const OF_TRANSACTIONS = 1;

/** There is none yet, as before the first transaction ever. */
function isNotAvailable(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === 15;
}

/** Little of such a topic is not compacted at any time, so that it is read quickly. */
const COMPACTED = {
  "cleanup.policy": "compact",
  "segment.bytes": "10485760",
  "segment.ms": "3600000",
  "min.cleanable.dirty.ratio": "0.01",
};

/** A session whose producer has a transactional id, and whatever goes with its transactions. */
export class TransactionalSession extends Session {
  readonly #id: string;

  constructor(options: SessionOptions, transactionalId: string) {
    // The brokers may still be at the end of one transaction when the next begins.
    super(options, { transactionalId, retry: { retries: 10, initialRetryTime: 10, maxRetryTime: 200 } });
    this.#id = transactionalId;
  }

  /** Shuts out every earlier producer of the transactional id, and ends its transactions; throws a `SinkError`. */
  async initTransactions(signal: AbortSignal): Promise<void> {
    await this.client.within(signal, `begin transactions of ${this.#id} in Kafka`, async () => {
      await this.#findCoordinator();
      await (await this.producer.transaction()).abort(); // of an empty one the brokers hear nothing
    });
  }

  /**
   * Sends requests and a last message as one transaction. Resolves once it is committed, or with the reason why it is not
   * and never will be; throws a `SinkError` when nobody knows.
   */
  async transact(
    requests: readonly (readonly KafkaRecord[])[],
    last: { readonly topic: string; readonly message: Message },
    signal: AbortSignal,
  ): Promise<SinkError | undefined> {
    return await this.client.within(signal, "commit a transaction in Kafka", async () => {
      const transaction = await this.producer.transaction();
      for (const request of requests) {
        const [refusal] = await this.produce(transaction.sendBatch, request);
        if (!refusal) continue;
        await transaction.abort();
        return refusal.error;
      }
      const [answer] = await transaction.send({ topic: last.topic, messages: [last.message], acks: -1 });
      const refusal = this.refusal(last.topic, answer?.errorCode);
      await (refusal ? transaction.abort() : transaction.commit());
      return refusal;
    });
  }

  /** The value of the last committed record of a key, as `lastRecord` finds it; throws a `SinkError`. */
  async readLast(
    topic: string,
    key: string,
    how: { readonly wait: boolean },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    return await this.client.within(signal, `read the Kafka topic ${topic}`, () => {
      return lastRecord(this.client.cluster, topic, key, how, signal);
    });
  }

  /** Makes a topic that keeps the last record of each key, unless it is there; throws a `SinkError`. */
  async ensureCompactedTopic(topic: string, signal: AbortSignal): Promise<void> {
    await this.client.within(signal, `make the Kafka topic ${topic}`, async () => {
      const admin = this.client.kafka.admin();
      try {
        await admin.connect();
        if ((await admin.listTopics()).includes(topic)) return;
        const configEntries = Object.entries(COMPACTED).map(([name, value]) => ({ name, value }));
        await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
      } finally {
        await admin.disconnect();
      }
    });
  }

  /** Throws a `SinkError` where the brokers have no transactions, or none for this id. */
  async findCoordinator(signal: AbortSignal): Promise<void> {
    const action = "deliver exactly once: the brokers offer no transactions";
    await this.client.within(signal, action, () => this.#findCoordinator());
  }

  /** Of a broker itself: kafkajs' own way, which waits until there is a coordinator, never says why there is none. */
  async #findCoordinator(): Promise<void> {
    const { cluster } = this.client;
    const wanted = { groupId: this.#id, coordinatorType: OF_TRANSACTIONS };
    await cluster.connect();
    await cluster.refreshMetadata();
    const broker = await cluster.findBroker({ nodeId: cluster.getNodeIds()[0] });
    try {
      await broker.findGroupCoordinator(wanted);
    } catch (error) {
      if (!isNotAvailable(error)) throw error;
      await cluster.findGroupCoordinator(wanted);
    }
  }
}
