import assert from "node:assert/strict";
import { MessageEncoder } from "../../../sinks/mqtt/message.ts";
import { SinkError } from "../../../src/sink/sink_error.ts";
import { cloudEvent } from "../../support/cloud_events.ts";

const BINARY = { topic: "t", protocolVersion: "5.0.0", contentMode: "binary", qos: 1 } as const;
const STRUCTURED = "application/cloudevents+json; charset=utf-8";

Deno.test("mqtt writes attributes as user properties in binary mode, and the content type beside them", () => {
  const event = cloudEvent(1, { snapshot: true, dataschema: "" });
  const { contentType, userProperties, payload } = new MessageEncoder(BINARY).encode(event);
  assert.equal(contentType, "application/json");
  assert.equal(payload, event.data);
  assert.deepEqual(userProperties, {
    specversion: "1.0",
    id: event.id,
    type: event.type,
    source: event.source,
    subject: event.subject,
    time: event.time,
    partitionkey: event.partitionkey,
    sequence: event.sequence,
    snapshot: "true",
  });
});

Deno.test("mqtt falls back to structured mode for what no user property can carry", () => {
  const encoder = new MessageEncoder(BINARY);
  for (const subject of ["a\0b", "a\tb", "a\u0085b", "\ud800", "\uffff", "ö".repeat(40_000)]) {
    const { contentType, userProperties, payload } = encoder.encode(cloudEvent(1, { subject }));
    assert.equal(contentType, STRUCTURED);
    assert.equal(userProperties, undefined);
    assert.equal(JSON.parse(payload).subject, subject);
  }
  assert.equal(
    encoder.encode(cloudEvent(1, { subject: "x".repeat(65_535) })).contentType,
    "application/json",
  );
});

Deno.test("mqtt tells no content type before MQTT 5", () => {
  const message = new MessageEncoder({ ...BINARY, contentMode: "structured", protocolVersion: "3.1.1" })
    .encode(cloudEvent(1));
  assert.equal(message.contentType, undefined);
});

Deno.test("mqtt rejects a topic that is too long, and a packet larger than is taken", () => {
  const rejected = (error: unknown) => error instanceof SinkError && error.kind === "rejected";
  const encoder = new MessageEncoder({ ...BINARY, topic: "{subject}" });
  assert.throws(() => encoder.encode(cloudEvent(1, { subject: "é".repeat(32_768) })), rejected);
  const { size } = encoder.encode(cloudEvent(1));
  assert.equal(encoder.encode(cloudEvent(1), size).size, size);
  assert.throws(() => encoder.encode(cloudEvent(1), size - 1), rejected);
});
