import assert from "node:assert/strict";
import fc from "fast-check";
import Record from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import { structuredJson } from "../../../src/sink/encode.ts";
import { recordOf } from "../../../sinks/kafka/record.ts";
import { cloudEvent } from "../../support/cloud_events.ts";
import { hardEvents } from "../../support/hard_events.ts";

Deno.test("in binary mode an event's attributes are headers and its data is the value", () => {
  const event = cloudEvent(7, { snapshot: true, dataschema: "dtmi:example:Room;1", data: '{"v":22.0}' });
  const { key, topic, message } = recordOf(event, 3, "twins", "binary");
  assert.deepEqual([key, topic, message.key, message.value], ["room-7", "twins", "room-7", '{"v":22.0}']);
  assert.deepEqual(message.headers, {
    "content-type": "application/json",
    ce_specversion: "1.0",
    ce_id: event.id,
    ce_type: event.type,
    ce_source: event.source,
    ce_subject: "room-7",
    ce_time: event.time,
    ce_dataschema: "dtmi:example:Room;1",
    ce_partitionkey: "room-7",
    ce_sequence: event.sequence,
    ce_snapshot: "true",
  });
});

Deno.test("in structured mode the value has all of an event", () => {
  const { message } = recordOf(cloudEvent(7), 0, "twins", "structured");
  assert.deepEqual(message.headers, { "content-type": "application/cloudevents+json; charset=utf-8" });
  assert.equal(message.value, structuredJson(cloudEvent(7)));
});

Deno.test("a record never takes more bytes than it is counted for", () => {
  const isCovered = (event: ReturnType<typeof cloudEvent>) => {
    for (const mode of ["binary", "structured"] as const) {
      const { message, bytes } = recordOf(event, 0, "t", mode);
      const encoded: { readonly buffer: Uint8Array } = Record({ ...message, offsetDelta: 1_000_000 });
      assert(encoded.buffer.length + 61 <= bytes, `${encoded.buffer.length} of ${bytes}`);
    }
  };
  for (const [, event] of hardEvents()) isCovered(event);
  const text = fc.string({ unit: "binary", maxLength: 5000 });
  fc.assert(fc.property(text, text, (subject, partitionkey) => {
    isCovered(cloudEvent(1, { subject, partitionkey, data: JSON.stringify({ subject }) }));
  }));
});
