import assert from "node:assert/strict";
import { HTTP } from "cloudevents";
import fc from "fast-check";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { structuredJson } from "../../src/sink/encode.ts";

const MINIMAL: CloudEvent = {
  id: "01980000-0000-8000-8000-000000000001",
  type: "Konnektr.DigitalTwins.Twin.Update",
  source: "https://your-adt-instance/",
  subject: "myTwinId",
  time: "2026-01-01T12:00:00.123456Z",
  datacontenttype: "application/json",
  partitionkey: "myTwinId",
  data: '{"modelId":"dtmi:example:Room;1","patch":[{"op":"replace","path":"/Temperature","value":22.0}]}',
};

Deno.test("structuredJson() writes the event in CloudEvents' JSON format, its body digit for digit", () => {
  assert.equal(
    structuredJson(MINIMAL),
    '{"specversion":"1.0","id":"01980000-0000-8000-8000-000000000001",' +
      '"type":"Konnektr.DigitalTwins.Twin.Update","source":"https://your-adt-instance/","subject":"myTwinId",' +
      '"time":"2026-01-01T12:00:00.123456Z","datacontenttype":"application/json","partitionkey":"myTwinId",' +
      '"data":{"modelId":"dtmi:example:Room;1","patch":[{"op":"replace","path":"/Temperature","value":22.0}]}}',
  );
});

Deno.test("structuredJson() writes optional attributes when they have a value, and only then", () => {
  const full = {
    ...MINIMAL,
    dataschema: "dtmi:x;1",
    sequence: "00000000016B3748",
    traceparent: "00-ab-cd-01",
    snapshot: true as const,
  };
  const parsed = JSON.parse(structuredJson(full));
  assert.equal(parsed.dataschema, "dtmi:x;1");
  assert.equal(parsed.sequence, "00000000016B3748");
  assert.equal(parsed.traceparent, "00-ab-cd-01");
  assert.equal(parsed.snapshot, true);
  assert.equal("snapshot" in JSON.parse(structuredJson(MINIMAL)), false);

  const empty = JSON.parse(structuredJson({ ...full, subject: "", dataschema: "", traceparent: "" }));
  for (const name of ["subject", "dataschema", "traceparent"]) assert.equal(name in empty, false, name);
});

Deno.test("structuredJson() is one line, whatever the body's white space", () => {
  const json = structuredJson({ ...MINIMAL, data: '{\r\n  "text": "a\\nb",\n  "n": 22.0\n}' });
  assert.equal(/[\r\n]/.test(json), false);
  assert.deepEqual(JSON.parse(json).data, { text: "a\nb", n: 22 });
});

Deno.test("structuredJson() gives back every attribute and body to a JSON reader", () => {
  const text = fc.string({ unit: "binary", minLength: 1 });
  fc.assert(
    fc.property(text, text, text, fc.json(), (id, subject, type, data) => {
      const parsed = JSON.parse(structuredJson({ ...MINIMAL, id, subject, type, data }));
      assert.equal(parsed.id, id);
      assert.equal(parsed.subject, subject);
      assert.equal(parsed.type, type);
      assert.deepEqual(parsed.data, JSON.parse(data));
    }),
    { seed: 20260101 },
  );
});

Deno.test("structuredJson() is understood by the cloudevents package", () => {
  const message = {
    headers: { "content-type": "application/cloudevents+json; charset=utf-8" },
    body: structuredJson(MINIMAL),
  };
  const event = HTTP.toEvent<Record<string, unknown>>(message);
  assert.equal(Array.isArray(event), false);
  if (Array.isArray(event) || !("id" in event)) return;
  assert.equal(event.id, MINIMAL.id);
  assert.equal(event.partitionkey, "myTwinId");
});
