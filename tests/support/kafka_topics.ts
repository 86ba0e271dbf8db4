import type { IHeaders, Kafka } from "kafkajs";
import type { KafkaServer } from "./kafka_server.ts";
import { readKafkaEvent, type ReceivedEvent } from "./received_event.ts";
import { until } from "./until.ts";

/** A record as kafkajs' consumer gives it, its bytes as text. */
export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** Makes topics, each with so many partitions. */
export async function createTopics(
  kafka: Kafka,
  topics: readonly string[],
  numPartitions = 1,
  configEntries: { name: string; value: string }[] = [],
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({
      topics: topics.map((topic) => ({ topic, numPartitions, replicationFactor: 1, configEntries })),
      waitForLeaders: true,
    });
  } finally {
    await admin.disconnect();
  }
}

/** Every record of some topics, in order for each partition. */
export async function readTopics(kafka: Kafka, topics: readonly string[]): Promise<readonly ReadRecord[]> {
  const left = await endOffsets(kafka, topics);
  const records: ReadRecord[] = [];
  if (left.size === 0) return records;
  const consumer = kafka.consumer({ groupId: `reader-${crypto.randomUUID()}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      eachBatch: async ({ batch }) => {
        const { topic, partition } = batch;
        const end = left.get(`${topic}/${partition}`);
        for (const { key, headers, value, offset } of batch.messages) {
          if (end === undefined || BigInt(offset) >= end) continue;
          records.push({ topic, partition, key: String(key), headers: texts(headers), value: String(value) });
        }
        if (end !== undefined && BigInt(batch.lastOffset()) + 1n >= end) left.delete(`${topic}/${partition}`);
      },
    });
    await until(() => left.size === 0, () => `the rest of ${[...left.keys()].join(", ")}`, 60_000);
  } finally {
    await consumer.disconnect();
  }
  return records;
}

/** The records as events, read by the `cloudevents` package. */
export async function readEvents(kafka: Kafka, topics: readonly string[]): Promise<readonly ReceivedEvent[]> {
  const records = await readTopics(kafka, topics);
  return records.map(({ key, headers, value }) => readKafkaEvent(key, headers, value));
}

/** Of partitions that are not empty. */
async function endOffsets(kafka: Kafka, topics: readonly string[]): Promise<Map<string, bigint>> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const ends = new Map<string, bigint>();
    for (const topic of topics) {
      for (const { partition, high } of await admin.fetchTopicOffsets(topic)) {
        if (high !== "0") ends.set(`${topic}/${partition}`, BigInt(high));
      }
    }
    return ends;
  } finally {
    await admin.disconnect();
  }
}

function texts(headers: IHeaders = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

/**
 * The lines that Kafka's own consumer prints of a topic's committed records, in the order of their partitions: headers,
 * key and value, with tabs between.
 */
export async function readCommitted(server: KafkaServer, topic: string): Promise<readonly string[]> {
  const printed = await server.tool(
    "org.apache.kafka.tools.consumer.ConsoleConsumer",
    ...["--bootstrap-server", server.address("PLAINTEXT"), "--topic", topic, "--from-beginning"],
    ...["--consumer-property", "isolation.level=read_committed", "--timeout-ms", "3000"],
    ...["--property", "print.headers=true", "--property", "print.key=true"],
  );
  return printed.split("\n").filter((line) => line.includes("\t"));
}

/** The ids of those records. */
export async function readCommittedIds(server: KafkaServer, topic: string): Promise<readonly string[]> {
  const lines = await readCommitted(server, topic);
  return lines.map((line) => /\bce_id:([^,\t]+)/.exec(line)?.[1] ?? line);
}
