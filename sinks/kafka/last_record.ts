import { Partitioners } from "kafkajs";
import Batch from "kafkajs/src/consumer/batch.js";
import type Cluster from "kafkajs/src/cluster/index.js";
import { SinkError } from "../../src/sink/sink_error.ts";

const READ_COMMITTED = 1;
const FETCH_BYTES = 4_000_000;
const FETCH_WAIT_MS = 200;

/**
 * The value of the last committed record of a key, without a consumer group. With `wait`, of all that stood in the topic
 * when it was called: then a transaction of somebody else that is still open there is waited for.
 */
export async function lastRecord(
  cluster: Cluster,
  topic: string,
  key: string,
  { wait }: { readonly wait: boolean },
  signal: AbortSignal,
): Promise<string | undefined> {
  await cluster.connect();
  await cluster.addTargetTopic(topic);
  const partitionMetadata = cluster.findTopicPartitionMetadata(topic);
  const partition = Partitioners.DefaultPartitioner()({
    topic,
    partitionMetadata,
    message: { key, value: null },
  });
  const leader = partitionMetadata.find(({ partitionId }: { partitionId: number }) =>
    partitionId === partition
  );
  const broker = await cluster.findBroker({ nodeId: leader?.leader });
  const end = await offsetOf(cluster, topic, partition, false);
  let last: string | undefined;
  for (let offset = await offsetOf(cluster, topic, partition, true); offset < end && !signal.aborted;) {
    const { responses } = await broker.fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions: [{ partition, fetchOffset: `${offset}`, maxBytes: FETCH_BYTES }] }],
    });
    const data = responses[0]?.partitions[0];
    if (!data) throw new SinkError("retryable", `Cannot read the Kafka topic ${topic}: no answer`);
    const batch = new Batch(topic, `${offset}`, data);
    for (const { key: each, value } of batch.messages) {
      if (String(each) === key) last = value === null ? undefined : String(value);
    }
    if (batch.rawMessages.length > 0) offset = BigInt(batch.lastOffset()) + 1n;
    else if (!wait || BigInt(data.lastStableOffset) >= end) break;
  }
  signal.throwIfAborted();
  return last;
}

async function offsetOf(
  cluster: Cluster,
  topic: string,
  partition: number,
  fromBeginning: boolean,
): Promise<bigint> {
  const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning }]);
  return BigInt(answer?.partitions[0]?.offset ?? 0);
}
