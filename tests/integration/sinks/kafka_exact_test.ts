import assert from "node:assert/strict";
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from "kafkajs";
import type { CloudEvent } from "../../../src/sink/sink.ts";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { Dispatching, STREAM } from "../../support/dispatch_all.ts";
import { KAFKA_USER } from "../../support/kafka_properties.ts";
import { KafkaProxy } from "../../support/kafka_proxy.ts";
import { KafkaTests } from "../../support/kafka_tests.ts";
import { createTopics, readCommittedIds } from "../../support/kafka_topics.ts";
import { deliver, failureOf, summary } from "../../support/sink_conformance.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;

const kafka = new KafkaTests((name) => `kafka, exactly once, ${name}`, "exact");

function exact(topic: string, other: Record<string, unknown> = {}) {
  return kafka.sink(topic, {
    delivery: "exactly-once",
    transactionalId: `router-${topic}`,
    positionTopic: `positions-${topic}`,
    ...other,
  });
}

function proxied(topic: string, other: Record<string, unknown> = {}) {
  return exact(topic, {
    brokerList: kafka.server.address("PROXY"),
    securityProtocol: "SASL_PLAINTEXT",
    saslMechanism: "PLAIN",
    ...KAFKA_USER,
    ...other,
  });
}

function ids(events: readonly CloudEvent[]): string[] {
  return events.map(({ id }) => id);
}

kafka.test("delivers every event once and in order when connections are cut in mid-stream", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const events = cloudEvents(2000, 20);
  await using proxy = new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
  await using dispatching = new Dispatching(proxied(topic), events, 20);
  for (let settled = 150; settled < 2000; settled += 150) {
    await dispatching.untilSettled(settled);
    proxy.tcp.cut();
  }
  await dispatching.untilSettled();
  assert.deepEqual(await readCommittedIds(kafka.server, topic), ids(events));
});

kafka.test("delivers every event once when the broker is killed and started again", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const events = cloudEvents(1000, 20);
  await using dispatching = new Dispatching(exact(topic, { timeout: "5s" }), events, 20);
  await dispatching.untilSettled(200);
  await kafka.server.stop();
  await dispatching.stateIs("retrying");
  await kafka.server.restart();
  await dispatching.untilSettled();
  assert.deepEqual(await readCommittedIds(kafka.server, topic), ids(events));
});

kafka.test("finds out what became of a transaction whose answer was lost", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const events = cloudEvents(6, 3);
  await using proxy = new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
  await using sink = proxied(topic);
  await sink.connect(NEVER, { stream: STREAM });
  assert.deepEqual(await deliver(sink, events.slice(0, 3)), []);
  let left: readonly CloudEvent[] = events.slice(3);
  for (let request = 1; left.length > 0; request++) {
    // After so many requests no answer comes any more, and the connection breaks.
    const { promise, resolve } = Promise.withResolvers<void>();
    let toCome = request;
    proxy.tcp.onData = (direction) => {
      if (direction === "up" && --toCome === 0) proxy.tcp.hold("down", promise);
    };
    const delivery = deliver(sink, left);
    await until(() => toCome <= 0, "the request");
    proxy.tcp.onData = () => {};
    proxy.tcp.hold("down", Promise.resolve());
    proxy.tcp.cut();
    resolve();
    const failed = await delivery;
    const after = events.at(-left.length - 1);
    if (failed.length > 0) await sink.connect(NEVER, { stream: STREAM, ...(after && { after }) });
    left = failed.length === 0 ? [] : left.filter((event) => !sink.has?.(event));
  }
  assert.deepEqual(await readCommittedIds(kafka.server, topic), ids(events));
});

kafka.test("makes an event that is too large a dead letter, and delivers the others once", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const large = { data: JSON.stringify({ text: "x".repeat(30_000) }) };
  const events = cloudEvents(100, 7).map((event, index) => index % 33 === 5 ? { ...event, ...large } : event);
  await using dispatching = new Dispatching(exact(topic, { maxRequestBytes: 20_000 }), events, 20);
  await dispatching.untilSettled();
  assert.deepEqual(dispatching.deadLetters.ids, ids(events.filter((_, index) => index % 33 === 5)));
  assert.deepEqual(
    await readCommittedIds(kafka.server, topic),
    ids(events.filter((_, index) => index % 33 !== 5)),
  );
});

kafka.test("finds the event that a broker refuses among many, and delivers the others once", async (topic) => {
  await createTopics(kafka.server.client(), [topic], 1, [{ name: "max.message.bytes", value: "20000" }]);
  const large = { data: JSON.stringify({ text: "x".repeat(30_000) }) };
  const events = cloudEvents(60, 7).map((event, index) => index === 31 ? { ...event, ...large } : event);
  await using dispatching = new Dispatching(exact(topic), events, 20);
  await dispatching.untilSettled();
  assert.deepEqual(dispatching.deadLetters.ids, ids(events.slice(31, 32)));
  assert.deepEqual(
    await readCommittedIds(kafka.server, topic),
    ids(events.filter((_, index) => index !== 31)),
  );
});

kafka.test("goes on where another process has ended, and shuts that out until it has the slot", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const events = cloudEvents(9, 3);
  await using first = exact(topic);
  await first.connect(NEVER, { stream: STREAM });
  assert.deepEqual(await deliver(first, events.slice(0, 4)), []);

  await using second = exact(topic);
  await second.connect(NEVER, { stream: STREAM });
  assert.deepEqual(events.map((event) => second.has?.(event)), events.map((_, index) => index < 4));

  assert.deepEqual(summary(await deliver(first, events.slice(4, 6))), ["0 retryable", "1 retryable"]);
  const error = await failureOf(first.connect(NEVER, { stream: STREAM }));
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /another router has taken over the transactional id router-exact-/);

  assert.deepEqual(await deliver(second, events.slice(4, 7)), []);

  // With the slot, the right to write comes back.
  await first.connect(NEVER, { stream: { ...STREAM } });
  assert.deepEqual(events.map((event) => first.has?.(event)), events.map((_, index) => index < 7));
  assert.deepEqual(await deliver(first, events.slice(7)), []);
  assert.deepEqual(await readCommittedIds(kafka.server, topic), ids(events));
});

kafka.test("takes over at the second try when the first one was stopped", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using proxy = new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
  await using first = exact(topic);
  await first.connect(NEVER, { stream: STREAM });
  assert.deepEqual(await deliver(first, cloudEvents(2)), []);

  await using second = proxied(topic);
  const stop = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.hold(promise);
  const connection = failureOf(second.connect(stop.signal, { stream: STREAM }));
  await proxy.producedMore(1);
  stop.abort();
  resolve();
  assert.equal((await connection).kind, "retryable");
  await second.connect(NEVER, { stream: STREAM });
  assert.deepEqual(await deliver(second, cloudEvents(2, 2, 2)), []);
});

kafka.test("brings its position back to where the database's history went on without it", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const events = cloudEvents(9, 3); // their LSNs are 0 to 8
  await using sink = exact(topic);
  await sink.connect(NEVER, { stream: STREAM });
  assert.deepEqual(await deliver(sink, events), []);
  await sink.connect(NEVER, { stream: { ...STREAM, timeline: 2, ancestors: [{ timeline: 1, end: 5n }] } });
  assert.deepEqual(events.map((event) => sink.has?.(event)), events.map((_, index) => index < 5));
  const others = events.slice(5).map((event) => ({ ...event, id: `${event.id}-again` }));
  assert.deepEqual(await deliver(sink, others), []);
  assert.deepEqual(await readCommittedIds(kafka.server, topic), [...ids(events), ...ids(others)]);

  const stream = { ...STREAM, timeline: 4, ancestors: [{ timeline: 3, end: 5n }] };
  const error = await failureOf(sink.connect(NEVER, { stream }));
  assert.equal(error.kind, "fatal");
  assert.match(error.message, /timeline 2, which timeline 4 of the server does not come from/);
});

kafka.test("delivers what has no position with the rest", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  const { sequence: _, ...notified } = cloudEvent(1);
  await using sink = exact(topic);
  await sink.connect(NEVER, { stream: STREAM });
  assert.deepEqual(await deliver(sink, [cloudEvent(0), notified, cloudEvent(2)]), []);
  assert.equal(sink.has?.(notified), false);
  assert.deepEqual(
    await readCommittedIds(kafka.server, topic),
    ids([cloudEvent(0), notified, cloudEvent(2)]),
  );
});

const FORBIDDEN = [
  [
    "TOPIC",
    "positions-",
    AclOperationTypes.CREATE,
    /^Cannot make the Kafka topic positions-.*_AUTHORIZATION_FAILED/,
  ],
  ["TRANSACTIONAL_ID", "router-", AclOperationTypes.WRITE, /TRANSACTIONAL_ID_AUTHORIZATION_FAILED/],
] as const;

for (const [resource, prefix, operation, message] of FORBIDDEN) {
  kafka.test(`is down when it lacks a permission on a ${resource}`, async (topic) => {
    await createTopics(kafka.server.client(), [topic]);
    const admin = kafka.server.client().admin();
    await admin.connect();
    await admin.createAcls({
      acl: [{
        resourceType: AclResourceTypes[resource],
        resourceName: `${prefix}${topic}`,
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: `User:${KAFKA_USER.saslUsername}`,
        host: "*",
        operation,
        permissionType: AclPermissionTypes.DENY,
      }],
    });
    await admin.disconnect();
    await using _proxy = new KafkaProxy(kafka.server.port("PROXY"), kafka.server.port("PROXIED"));
    await using sink = proxied(topic);
    const error = await failureOf(sink.connect(NEVER, { stream: STREAM }));
    assert.equal(error.kind, "fatal", error.message);
    assert.match(error.message, message);
  });
}

kafka.test("tells a check whether there are transactions, and changes nothing", async (topic) => {
  await createTopics(kafka.server.client(), [topic]);
  await using sink = exact(topic);
  await sink.connect(NEVER);
  const admin = kafka.server.client().admin();
  await admin.connect();
  try {
    assert(!(await admin.listTopics()).includes(`positions-${topic}`));
  } finally {
    await admin.disconnect();
  }
});
