import assert from "node:assert/strict";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import type { CloudEvent } from "../../../src/sink/sink.ts";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { Dispatching } from "../../support/dispatch_all.ts";
import { KAFKA_USER } from "../../support/kafka_properties.ts";
import { KafkaProxy } from "../../support/kafka_proxy.ts";
import { KafkaTests } from "../../support/kafka_tests.ts";
import { createTopics, readEvents } from "../../support/kafka_topics.ts";
import type { ReceivedEvent } from "../../support/received_event.ts";
import { assertArrived, deliver, failureOf, summary } from "../../support/sink_conformance.ts";

const NEVER = new AbortController().signal;

const kafka = new KafkaTests((name) => `kafka ${name}`, "faults");

/** A sink that logs in through the proxy, as a user who may be forbidden things. */
function proxied(topic: string, other: Record<string, unknown> = {}) {
  return kafka.sink(topic, {
    brokerList: kafka.server.address("PROXY"),
    securityProtocol: "SASL_PLAINTEXT",
    saslMechanism: "SCRAM-SHA-512",
    ...KAFKA_USER,
    ...other,
  });
}

function openProxy(): KafkaProxy {
  return new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
}

/** Nothing is lost, and the first occurrences of each key are in order. */
function assertNothingLost(received: readonly ReceivedEvent[], sent: readonly CloudEvent[]): void {
  const firsts = new Map(received.toReversed().map((event) => [event.attributes.id, event]));
  const inOrder = received.filter((event) => firsts.get(event.attributes.id) === event);
  assertArrived(inOrder, sent);
}

kafka.test("loses nothing and keeps the order when connections are cut in mid-stream", async (topic) => {
  await createTopics(kafka.server.client(), [topic], 4);
  const events = cloudEvents(3000, 20);
  await using proxy = openProxy();
  await using dispatching = new Dispatching(proxied(topic), events, 50);
  for (let settled = 300; settled < 3000; settled += 300) {
    await dispatching.untilSettled(settled);
    proxy.tcp.cut();
  }
  await dispatching.untilSettled();
  assertNothingLost(await readEvents(kafka.server.client(), [topic]), events);
  assert.deepEqual(dispatching.deadLetters.letters, []);
});

kafka.test("loses nothing when the broker is killed and started again in mid-stream", async (topic) => {
  await createTopics(kafka.server.client(), [topic], 4);
  const events = cloudEvents(3000, 20);
  await using dispatching = new Dispatching(kafka.sink(topic), events, 50);
  await dispatching.untilSettled(500);
  await kafka.server.stop();
  await dispatching.stateIs("retrying");
  await kafka.server.restart();
  await dispatching.untilSettled();
  assertNothingLost(await readEvents(kafka.server.client(), [topic]), events);
  assert.deepEqual(dispatching.deadLetters.letters, []);
});

kafka.test("waits for a broker that stands still, and loses nothing", async (topic) => {
  await createTopics(kafka.server.client(), [topic], 4);
  const events = cloudEvents(2000, 20);
  await using dispatching = new Dispatching(kafka.sink(topic, { timeout: "500ms" }), events, 50);
  await dispatching.untilSettled(300);
  kafka.server.pause();
  try {
    await dispatching.stateIs("retrying");
  } finally {
    kafka.server.resume();
  }
  await dispatching.untilSettled();
  assertNothingLost(await readEvents(kafka.server.client(), [topic]), events);
});

kafka.test("does not let other events pass for repeats of those whose answer was lost", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using proxy = openProxy();
  await using sink = proxied(topic, { timeout: "300ms" });
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(5)), []);
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.hold(promise);
  const lost = cloudEvents(5, 5, 5);
  assert.deepEqual(summary(await deliver(sink, lost)), Array.from(lost, (_, index) => `${index} retryable`));
  resolve();
  // As many records as before, which would take the sequence numbers of those.
  const others = cloudEvents(5, 5, 10);
  assert.deepEqual(await deliver(sink, others), []);
  assertNothingLost(await readEvents(kafka.server.client(), [topic]), [
    ...cloudEvents(5),
    ...lost,
    ...others,
  ]);
});

kafka.test("makes no repeat of what a broker had written when the connection broke", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using proxy = openProxy();
  await using sink = proxied(topic);
  await sink.connect(NEVER);
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.hold(promise);
  const delivery = deliver(sink, cloudEvents(5));
  await proxy.producedMore(1);
  proxy.tcp.cut();
  resolve();
  assert.deepEqual(await delivery, []);
  assertArrived(await readEvents(kafka.server.client(), [topic]), cloudEvents(5));
});

kafka.test("costs nothing while it is idle", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using sink = kafka.sink(topic);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(1)), []);
  const check = RequestQueue.prototype.checkPendingRequests;
  let looks = 0;
  RequestQueue.prototype.checkPendingRequests = function () {
    looks++;
    return check.call(this);
  };
  await new Promise((resolve) => setTimeout(resolve, 200)); // a time in which nothing must happen
  RequestQueue.prototype.checkPendingRequests = check;
  assert.equal(looks, 0);
});

kafka.test("says that brokers which are down may come back", async (topic) => {
  await using sink = kafka.sink(topic, { brokerList: "127.0.0.1:2,127.0.0.1:3" });
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /^Cannot reach Kafka at 127\.0\.0\.1:2: .*ECONNREFUSED|refused/);
});

kafka.test("says that a topic is missing, and goes on once it is there", async (topic) => {
  await using sink = kafka.sink(topic);
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "retryable");
  assert.match(
    error.message,
    new RegExp(`^Cannot find the Kafka topic ${topic}: UNKNOWN_TOPIC_OR_PARTITION`),
  );
  await createTopics(kafka.server.client(), [topic]);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(2)), []);
});

/** Events 1 and 4 are of one key; the fourth goes to the topic that is not as the others. */
function oneRefused(): CloudEvent[] {
  return cloudEvents(9, 3).map((event, index) => ({ ...event, type: index === 4 ? "refused" : "taken" }));
}

const REFUSALS: [string, string, (topic: string) => Promise<void>][] = [
  ["rejected", "is too large for its topic", async (topic) => {
    await createTopics(kafka.server.client(), [topic], 1, [{ name: "max.message.bytes", value: "1" }]);
  }],
  ["retryable", "goes to a topic that is missing", async () => {}],
  ["fatal", "goes to a topic that is forbidden", async (topic) => {
    await createTopics(kafka.server.client(), [topic]);
    await forbid(topic);
  }],
];

for (const [kind, what, prepare] of REFUSALS) {
  kafka.test(`reports one event that ${what} as ${kind}, and holds back its key's later ones`, async (prefix) => {
    await createTopics(kafka.server.client(), [`${prefix}.taken`], 3);
    await prepare(`${prefix}.refused`);
    await using _proxy = openProxy();
    await using sink = proxied(`${prefix}.{type}`);
    await sink.connect(NEVER);
    const batch = oneRefused();
    const failed = await deliver(sink, batch);
    assert.deepEqual(summary(failed.filter(({ index }) => index === 4)), [`4 ${kind}`]);
    assert.deepEqual(summary(failed.filter(({ index }) => index === 7)), ["7 retryable"]);
    const indexes = new Set(failed.map(({ index }) => index));
    assertArrived(
      await readEvents(kafka.server.client(), [`${prefix}.taken`]),
      batch.filter((_, index) => !indexes.has(index)),
    );
    if (kind !== "fatal") assert.deepEqual([...indexes], [4, 7]);
  });
}

kafka.test("finds the one event that is too large for a broker among many", async (topic) => {
  await createTopics(kafka.server.client(), [topic], 2, [{ name: "max.message.bytes", value: "20000" }]);
  const large = { data: JSON.stringify({ text: "x".repeat(30_000) }) };
  const events = cloudEvents(100, 20).map((event, index) => index === 37 ? { ...event, ...large } : event);
  await using dispatching = new Dispatching(kafka.sink(topic), events);
  await dispatching.untilSettled();
  const [letter, ...others] = dispatching.deadLetters.letters;
  assert.deepEqual(others, []);
  assert.equal(letter?.event.id, events[37]?.id);
  assert.match(letter?.reason ?? "", /MESSAGE_TOO_LARGE/);
  assertArrived(await readEvents(kafka.server.client(), [topic]), events.filter((_, index) => index !== 37));
});

kafka.test("rejects an event that no request has room for, and no other", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using sink = kafka.sink(topic, { maxRequestBytes: 20_000 });
  await sink.connect(NEVER);
  const events = cloudEvents(200, 200);
  const large = cloudEvent(200, { data: JSON.stringify({ text: "x".repeat(20_000) }) });
  const failed = await deliver(sink, [...events.slice(0, 100), large, ...events.slice(100)]);
  assert.deepEqual(summary(failed), ["100 rejected"]);
  assert.match(failed[0]?.error.message ?? "", /more than maxRequestBytes 20000 allows$/);
  assertArrived(await readEvents(kafka.server.client(), [topic]), events);
});

kafka.test("is down when it may write no more", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using _proxy = openProxy();
  await using sink = proxied(topic);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(2)), []);
  await forbid(topic);
  const failed = await deliver(sink, cloudEvents(2));
  assert.deepEqual(summary(failed), ["0 fatal", "1 fatal"]);
  assert.match(failed[0]?.error.message ?? "", /TOPIC_AUTHORIZATION_FAILED/);
});

kafka.test("delivers again by itself once a clock that the broker does not believe is right", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using _proxy = openProxy();
  await using sink = proxied(topic);
  await sink.connect(NEVER);
  const { now } = Date;
  const events = cloudEvents(2);
  try {
    Date.now = () => now() + 2 * 60 * 60 * 1_000;
    const failed = await deliver(sink, events);
    assert.deepEqual(summary(failed), ["0 retryable", "1 retryable"]);
    assert.match(failed[0]?.error.message ?? "", /INVALID_TIMESTAMP/);
  } finally {
    Date.now = now;
  }
  assert.deepEqual(await deliver(sink, events), []);
  assertArrived(await readEvents(kafka.server.client(), [topic]), events);
});

kafka.test("is down when its login is taken away", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using proxy = openProxy();
  await using dispatching = new Dispatching(
    proxied(topic, { saslMechanism: "SCRAM-SHA-256" }),
    cloudEvents(2),
  );
  await dispatching.untilSettled();
  await alterConfig("users", KAFKA_USER.saslUsername, "--delete-config", "SCRAM-SHA-256");
  proxy.tcp.cut();
  await using sink = proxied(topic, { saslMechanism: "SCRAM-SHA-256" });
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "fatal");
  assert.match(error.message, /SASL_AUTHENTICATION_FAILED/);
});

kafka.test("obeys a broker that asks it to slow down, and takes that for no failure", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const data = JSON.stringify({ text: "x".repeat(10_000) });
  const events = Array.from({ length: 10 }, (_, number) => cloudEvent(number, { data }));
  // The rate is that of the last 10 s: about 10,000 bytes a second at the end.
  await alterConfig("clients", "twinrouter", "--add-config", "producer_byte_rate=7000");
  try {
    await using sink = kafka.sink(topic, { timeout: "1s" });
    await sink.connect(NEVER);
    const start = performance.now();
    for (const event of events) assert.deepEqual(await deliver(sink, [event]), []);
    const took = performance.now() - start;
    assert(took > 1000, `it took ${took} ms, as if nobody had asked`);
  } finally {
    await alterConfig("clients", "twinrouter", "--delete-config", "producer_byte_rate");
  }
  assertArrived(await readEvents(kafka.server.client(), [topic]), events);
});

async function forbid(topic: string): Promise<void> {
  const admin = kafka.server.client().admin();
  await admin.connect();
  await admin.createAcls({
    acl: [{
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: `User:${KAFKA_USER.saslUsername}`,
      host: "*",
      operation: AclOperationTypes.ALL,
      permissionType: AclPermissionTypes.DENY,
    }],
  });
  await admin.disconnect();
}

async function alterConfig(entityType: string, entityName: string, ...change: string[]): Promise<void> {
  const where = ["--bootstrap-server", kafka.server.address("PLAINTEXT"), "--alter"];
  const entity = ["--entity-type", entityType, "--entity-name", entityName];
  await kafka.server.tool("kafka.admin.ConfigCommand", ...where, ...entity, ...change);
}
