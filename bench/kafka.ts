/**
 * How many events a second the Kafka sink writes to a real Kafka on this machine, in both content modes and by
 * every compression, with Kafka's own producer and records of the same size beside it.
 *
 *     deno task bench:kafka [events] [runs]
 */
import type { Buffer } from "node:buffer";
import { CompressionCodecs } from "kafkajs";
import { COMPRESSIONS } from "../sinks/kafka/compression.ts";
import type { CloudEvent, Sink } from "../src/sink/sink.ts";
import { cloudEvent } from "../tests/support/cloud_events.ts";
import { KafkaServer } from "../tests/support/kafka_server.ts";
import { kafkaSink } from "../tests/support/kafka_sink.ts";
import { createTopics } from "../tests/support/kafka_topics.ts";
import { describeMachine, median, print } from "./report.ts";

const [events = "50000", runs = "5"] = Deno.args;
const BATCH = 1000;
const TOPIC = "bench";
const NEVER = new AbortController().signal;

const CASES = {
  "binary": {},
  "structured": { contentMode: "structured" },
  "binary, gzip": { compression: "gzip" },
  "binary, snappy": { compression: "snappy" },
  "binary, lz4": { compression: "lz4" },
  "binary, zstd": { compression: "zstd" },
  "binary, exactly once": { delivery: "exactly-once" },
} as const;

/** Updates of a hundred twins, about 400 bytes of data each. */
const batch: CloudEvent[] = Array.from({ length: BATCH }, (_, number) => {
  const patch = Array.from({ length: 6 }, (_, part) => ({
    op: "replace",
    path: `/property-${part}`,
    value: Math.round(number * 1000 / (part + 1)) / 1000,
  }));
  const data = JSON.stringify({ modelId: "dtmi:example:Room;1", patch });
  return cloudEvent(number, { partitionkey: `room-${number % 100}`, data });
});

/** How many bytes went into each compression, and came out. */
const bytes = new Map<string, { before: number; after: number }>();
const { none: _, ...compressions } = COMPRESSIONS;
for (const [name, type] of Object.entries(compressions)) {
  const codec = CompressionCodecs[type]();
  const count = { before: 0, after: 0 };
  bytes.set(`binary, ${name}`, count);
  const compress = async (encoder: { readonly buffer: Buffer }) => {
    const compressed: Buffer = await codec.compress(encoder);
    count.before += encoder.buffer.length;
    count.after += compressed.length;
    return compressed;
  };
  CompressionCodecs[type] = () => ({ ...codec, compress });
}

async function measure(sink: Sink): Promise<number> {
  const start = performance.now();
  for (let sent = 0; sent < Number(events); sent += BATCH) {
    const failed = await sink.deliver(batch, NEVER);
    if (failed.length > 0) throw failed[0]?.error;
  }
  return Number(events) / (performance.now() - start) * 1000;
}

await using server = await KafkaServer.start();
await createTopics(server.client(), [TOPIC], 4);
const brokerList = server.address("PLAINTEXT");
await using stack = new AsyncDisposableStack();
const sinks = new Map<string, Sink>();
for (const [name, options] of Object.entries(CASES)) {
  const sink = stack.use(
    kafkaSink({ brokerList, topic: TOPIC, securityProtocol: "PLAINTEXT", ...options }),
  );
  const stream = { systemIdentifier: "7", slot: "bench", timeline: 1, ancestors: [] };
  await sink.connect(NEVER, sink.batch?.inOrder ? { stream } : undefined);
  sinks.set(name, sink);
}

const rates = new Map<string, number[]>();
const note = (name: string, rate: number) => rates.set(name, [...rates.get(name) ?? [], rate]);
for (let run = 0; run <= Number(runs); run++) {
  for (const [name, sink] of sinks) {
    const rate = await measure(sink);
    if (run > 0) note(name, rate); // the first warms up
  }
  const output = await server.tool(
    "org.apache.kafka.tools.ProducerPerformance",
    ...["--topic", TOPIC, "--num-records", events, "--record-size", "800", "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${brokerList}`, "acks=all", "batch.size=1000000"],
  );
  const rate = Number(/^\d+ records sent, ([\d.]+) records\/sec/m.exec(output)?.[1]);
  if (run > 0) note("Kafka's own producer", rate);
}

print(`${events} events, batches of ${BATCH}, ${runs} runs after one to warm up; ${describeMachine()}\n`);
const binary = median(rates.get("binary") ?? []);
for (const [name, all] of rates) {
  const [least, most] = [Math.min(...all), Math.max(...all)].map((rate) => Math.round(rate / 100) / 10);
  const middle = median(all);
  const { before, after } = bytes.get(name) ?? { before: 0, after: 0 };
  const ratio = after > 0 ? `, ${(before / after).toFixed(1)} times smaller` : "";
  print(
    `  ${name.padEnd(22)} ${(middle / 1000).toFixed(1).padStart(6)} thousand/s [${least} to ${most}], ` +
      `${(middle / binary).toFixed(2)} x binary${ratio}\n`,
  );
}
