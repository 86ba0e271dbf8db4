import assert from "node:assert/strict";
import { join } from "node:path";
import type { CloudEvent } from "../../../src/sink/sink.ts";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { STREAM } from "../../support/dispatch_all.ts";
import { KafkaTests } from "../../support/kafka_tests.ts";
import { createTopics, readCommitted, readEvents, readTopics } from "../../support/kafka_topics.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { assertArrived, deliver } from "../../support/sink_conformance.ts";
import { TemporaryFolder } from "../../support/temporary_folder.ts";

const NEVER = new AbortController().signal;
const SEED = Number(Deno.env.get("SEED") ?? 20_261_126);
const COMPRESSIONS = ["gzip", "snappy", "lz4", "zstd"];

const kafka = new KafkaTests((name) => `kafka ${name}, seed ${SEED}`, "compression");

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** 8 kB that nothing repeats in, or hardly anything else. */
function textOf(random: SeededRandom, isNoise: boolean): string {
  if (!isNoise) return `{"value":${random.below(1000)}}`.repeat(600);
  return Array.from({ length: 8_000 }, () => random.pick(DIGITS)).join("");
}

/** Half a megabyte in one batch: several blocks in a row that cannot be made smaller, and several that can. */
function largeEvents(): CloudEvent[] {
  const random = new SeededRandom(SEED);
  return Array.from({ length: 60 }, (_, index) => {
    const data = JSON.stringify({ text: textOf(random, index < 30) });
    return cloudEvent(index, { partitionkey: "room", data });
  });
}

/** The codecs that the batches of a topic have, once each; every one of them is valid, and has been read. */
async function codecsOf(topic: string): Promise<string[]> {
  const dump = await kafka.server.dump(topic);
  const batches = [...dump.matchAll(/^baseOffset: .* compresscodec: (\w+) .*isvalid: (\w+)/gm)];
  assert(batches.length > 0, dump);
  assert(batches.every(([, , isValid]) => isValid === "true"), dump);
  return [...new Set(batches.map(([, codec = ""]) => codec))];
}

for (const compression of COMPRESSIONS) {
  kafka.test(`compresses by ${compression} what Kafka's own consumer reads`, async (topic) => {
    await createTopics(kafka.server.client(), [topic]);
    await using sink = kafka.sink(topic, { compression });
    const events = largeEvents();
    assert.deepEqual(await deliver(sink, events), []);
    assert.deepEqual(await codecsOf(topic), [compression]);
    const values = (await readCommitted(kafka.server, topic)).map((line) => line.split("\t")[2]);
    assert.deepEqual(values, events.map(({ data }) => data));
    assertArrived(await readEvents(kafka.server.client(), [topic]), events);
  });

  kafka.test(`compresses by ${compression} what a broker takes apart and compresses by itself`, async (topic) => {
    const other = compression === "gzip" ? "zstd" : "gzip";
    await createTopics(kafka.server.client(), [topic], 1, [{ name: "compression.type", value: other }]);
    await using sink = kafka.sink(topic, { compression });
    const events = largeEvents();
    assert.deepEqual(await deliver(sink, events), []);
    assert.deepEqual(await codecsOf(topic), [other]);
    assertArrived(await readEvents(kafka.server.client(), [topic]), events);
  });

  kafka.test(`reads what Kafka's own producer compresses by ${compression}`, async (topic) => {
    await using folder = await TemporaryFolder.make();
    const random = new SeededRandom(SEED);
    const lines = Array.from({ length: 40 }, (_, index) => textOf(random, index % 2 === 0));
    const file = join(folder.path, "lines");
    await Deno.writeTextFile(file, lines.join("\n"));
    await createTopics(kafka.server.client(), [topic]);
    await kafka.server.tool(
      "org.apache.kafka.tools.ProducerPerformance",
      ...["--topic", topic, "--num-records", "200", "--payload-file", file, "--throughput", "-1"],
      ...["--producer-props", `bootstrap.servers=${kafka.server.address("PLAINTEXT")}`, "acks=all"],
      ...["batch.size=800000", "linger.ms=2000", `compression.type=${compression}`],
    );
    assert.deepEqual(await codecsOf(topic), [compression]);
    const read = await readTopics(kafka.server.client(), [topic]);
    assert.equal(read.length, 200);
    assert.deepEqual(read.filter(({ value }) => !lines.includes(value)), []);
  });

  kafka.test(`finds its position where a broker compresses by ${compression} what it keeps`, async (topic) => {
    const positionTopic = `positions-${topic}`;
    await createTopics(kafka.server.client(), [topic]);
    await createTopics(kafka.server.client(), [positionTopic], 1, [{
      name: "compression.type",
      value: compression,
    }]);
    const exact = { delivery: "exactly-once", transactionalId: topic, positionTopic, compression };
    const events = cloudEvents(6, 3);
    await using first = kafka.sink(topic, exact);
    await first.connect(NEVER, { stream: STREAM });
    assert.deepEqual(await deliver(first, events.slice(0, 4)), []);
    assert((await codecsOf(positionTopic)).includes(compression));
    await using second = kafka.sink(topic, exact);
    await second.connect(NEVER, { stream: STREAM });
    assert.deepEqual(events.map((event) => second.has?.(event)), events.map((_, index) => index < 4));
  });
}
