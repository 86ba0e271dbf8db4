import assert from "node:assert/strict";
import { CompressionTypes } from "kafkajs";
import { kafkaError } from "../../../sinks/kafka/kafka_errors.ts";
import { recordOf } from "../../../sinks/kafka/record.ts";
import { Session, type SessionOptions } from "../../../sinks/kafka/session.ts";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { KAFKA_USER } from "../../support/kafka_properties.ts";
import { KafkaProxy } from "../../support/kafka_proxy.ts";
import { KafkaTests } from "../../support/kafka_tests.ts";
import { createTopics, readEvents, readTopics } from "../../support/kafka_topics.ts";
import { passwordLogin } from "../../../sinks/kafka/sasl.ts";
import { assertArrived, deliver } from "../../support/sink_conformance.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;

const kafka = new KafkaTests((name) => `kafka ${name}`, "wire");

/** A session by way of a `KafkaProxy`. */
function proxiedSession(more: Partial<SessionOptions> = {}): Session {
  return new Session({
    brokers: [kafka.server.address("PROXY")],
    tls: undefined,
    sasl: passwordLogin("PLAIN", KAFKA_USER.saslUsername, KAFKA_USER.saslPassword),
    idempotent: true,
    compression: CompressionTypes.None,
    timeout: 5_000,
    ...more,
  });
}

/** What Kafka's own consumer prints: of each record its headers, key and value, with tabs between. */
function consume(topic: string, count: number): Promise<string> {
  return kafka.server.tool(
    "org.apache.kafka.tools.consumer.ConsoleConsumer",
    ...["--bootstrap-server", kafka.server.address("PLAINTEXT"), "--topic", topic, "--from-beginning"],
    ...["--max-messages", `${count}`, "--timeout-ms", "20000"],
    ...["--property", "print.headers=true", "--property", "print.key=true"],
  );
}

kafka.test("writes the headers that the documentation lists, as Kafka's own consumer reads them", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using sink = kafka.sink(topic);
  const event = cloudEvent(1, { subject: "room 1/é", data: '{"v":22.0}' });
  assert.deepEqual(await deliver(sink, [event]), []);
  const { id, type, source, time, sequence } = event;
  assert.equal(
    (await consume(topic, 1)).split("\n")[0],
    `content-type:application/json,ce_specversion:1.0,ce_id:${id},ce_type:${type},ce_source:${source},` +
      `ce_subject:room 1/é,ce_time:${time},ce_partitionkey:room-1,ce_sequence:${sequence}\troom-1\t{"v":22.0}`,
  );
});

kafka.test("chooses topics by attributes, and keeps the order of a key in each", async (prefix) => {
  const topics = ["Twin.Create", "Twin.Update"].map((type) => `${prefix}.${type}.x_y`);
  await createTopics(kafka.server.client(), topics, 3);
  await using sink = kafka.sink(`${prefix}.{type}.{subject}`);
  const events = cloudEvents(40, 4).map((event, index) => ({
    ...event,
    subject: "x/y",
    type: index % 3 === 0 ? "Twin.Create" : "Twin.Update",
  }));
  assert.deepEqual(await deliver(sink, events), []);
  for (const topic of topics) {
    const type = topic.includes("Create") ? "Twin.Create" : "Twin.Update";
    assertArrived(
      await readEvents(kafka.server.client(), [topic]),
      events.filter((event) => event.type === type),
    );
  }
});

kafka.test("puts a key where Kafka's own clients put it", async (topic) => {
  await createTopics(kafka.server.client(), [topic], 7);
  await using sink = kafka.sink(topic);
  assert.deepEqual(await deliver(sink, cloudEvents(30)), []);
  const partitions = new Map((await readTopics(kafka.server.client(), [topic])).map((record) => [
    record.key,
    record.partition,
  ]));
  // By org.apache.kafka.common.utils.Utils.murmur2
  const known = { "room-0": 0, "room-1": 0, "room-2": 1, "room-3": 0, "room-4": 4 };
  for (const [key, partition] of Object.entries(known)) assert.equal(partitions.get(key), partition, key);
});

kafka.test("closes a connection that nobody uses, and opens another when there is something to send", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using proxy = new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
  await using session = proxiedSession({ idleMs: 200 });
  await session.connect(undefined, NEVER);
  const record = recordOf(cloudEvent(1), 0, topic, "binary");
  assert.deepEqual(await session.send([record], NEVER), []);
  const { connections } = proxy.tcp;
  const sent = performance.now();
  await until(() => performance.now() - sent > 500, "the idle time to be over");
  assert.deepEqual(await session.send([record], NEVER), []);
  assert.equal(proxy.tcp.connections, connections + 1);
  assert.equal((await readEvents(kafka.server.client(), [topic])).length, 2);
});

kafka.test("sends nothing for as long as a broker that throttles it says", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using proxy = new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
  await using session = proxiedSession();
  await session.connect(undefined, NEVER);
  const record = recordOf(cloudEvent(1), 0, topic, "binary");
  assert.deepEqual(await session.send([record], NEVER), []);
  // The last member of an answer to Produce is throttle_time_ms.
  const throttle = 700;
  let told = 0;
  const count = proxy.tcp.onData;
  const { produced } = proxy;
  proxy.tcp.onData = (direction, bytes) => {
    count(direction, bytes);
    if (direction !== "down" || told > 0 || proxy.produced === produced) return;
    told = performance.now();
    new DataView(bytes.buffer, bytes.byteOffset, bytes.length).setInt32(bytes.length - 4, throttle);
  };
  assert.deepEqual(await session.send([record], NEVER), []);
  const again = session.send([record], NEVER);
  await proxy.producedMore(1);
  const waited = performance.now() - told;
  assert(waited >= throttle - 50, `only ${waited} ms`);
  assert.deepEqual(await again, []);
  assert.equal((await readEvents(kafka.server.client(), [topic])).length, 3);
});

kafka.test("knows every error by the name that Kafka gives it", async () => {
  const table = await kafka.server.tool("org.apache.kafka.common.protocol.Errors");
  const errors = [...table.matchAll(/<td>([A-Z_]+)<\/td><td>(-?\d+)<\/td>/g)];
  assert(errors.length > 130, `only ${errors.length} errors`);
  for (const [, name, code] of errors) assert.equal(kafkaError(Number(code)).name, name);
});
