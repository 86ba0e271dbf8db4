import assert from "node:assert/strict";
import fc from "fast-check";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { httpBinaryHeaders } from "../../src/sink/encode_http.ts";

const EVENT: CloudEvent = {
  id: "01980000-0000-8000-8000-000000000001",
  type: "Konnektr.DigitalTwins.Twin.Update",
  source: "https://your-adt-instance/",
  subject: "myTwinId",
  time: "2026-01-01T12:00:00.123456Z",
  datacontenttype: "application/json",
  partitionkey: "myTwinId",
  data: "{}",
};

Deno.test("httpBinaryHeaders() has each attribute in its header, and the content type in none of them", () => {
  assert.deepEqual(httpBinaryHeaders({ ...EVENT, sequence: "0A", dataschema: "dtmi:x;1", snapshot: true }), {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": EVENT.id,
    "ce-type": EVENT.type,
    "ce-source": EVENT.source,
    "ce-subject": "myTwinId",
    "ce-time": EVENT.time,
    "ce-dataschema": "dtmi:x;1",
    "ce-partitionkey": "myTwinId",
    "ce-sequence": "0A",
    "ce-snapshot": "true",
  });
});

// The example of section 3.1.3.2 of the HTTP protocol binding.
Deno.test("httpBinaryHeaders() percent-encodes as the binding's example does", () => {
  assert.equal(
    httpBinaryHeaders({ ...EVENT, subject: "Euro € 😀" })["ce-subject"],
    "Euro%20%E2%82%AC%20%F0%9F%98%80",
  );
  assert.equal(httpBinaryHeaders({ ...EVENT, subject: 'a"b%c\n\x7f~!' })["ce-subject"], "a%22b%25c%0A%7F~!");
});

Deno.test("httpBinaryHeaders() gives values that are legal in a header and decode to what went in", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (subject) => {
      const encoded = httpBinaryHeaders({ ...EVENT, subject })["ce-subject"] ?? "";
      assert.match(encoded, /^[\x21-\x7e]+$/);
      assert.equal(decodeURIComponent(encoded), subject.toWellFormed());
    }),
    { seed: 20260101 },
  );
});

Deno.test("httpBinaryHeaders() writes half a surrogate pair as U+FFFD instead of throwing", () => {
  assert.equal(httpBinaryHeaders({ ...EVENT, subject: "a\ud800b" })["ce-subject"], "a%EF%BF%BDb");
});
