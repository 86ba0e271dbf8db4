import assert from "node:assert/strict";
import fc from "fast-check";
import { nextRequest, roomForRecord } from "../../../sinks/kafka/next_request.ts";
import type { KafkaRecord } from "../../../sinks/kafka/record.ts";

const MAX_BYTES = 10_000;

function records(written: readonly { key: string; topic: string; bytes: number }[]): KafkaRecord[] {
  return written.map((record, index) => ({ ...record, index, message: { value: "" } }));
}

const anyRecords = fc.array(fc.record({
  key: fc.constantFrom("a", "b", "c"),
  topic: fc.constantFrom("s", "t"),
  bytes: fc.integer({ min: 100, max: roomForRecord(MAX_BYTES) }),
})).map(records);

Deno.test("requests hold all records, each key's in order, none too large, and no key in two topics at once", () => {
  fc.assert(fc.property(anyRecords, (all) => {
    const sent: KafkaRecord[] = [];
    for (let waiting: readonly KafkaRecord[] = all; waiting.length > 0;) {
      const { request, rest } = nextRequest(waiting, MAX_BYTES);
      assert(request.length > 0 && request.length + rest.length === waiting.length);
      assert(request.reduce((sum, { bytes }) => sum + bytes, 0) <= MAX_BYTES);
      for (const of of Map.groupBy(request, ({ key }) => key).values()) {
        assert.equal(new Set(of.map(({ topic }) => topic)).size, 1);
      }
      sent.push(...request);
      waiting = rest;
    }
    for (const key of ["a", "b", "c"]) {
      const ofKey = (list: readonly KafkaRecord[]) => list.filter((record) => record.key === key);
      assert.deepEqual(ofKey(sent), ofKey(all));
    }
  }));
});

Deno.test("records of one topic that fit together go together", () => {
  const all = records(
    Array.from({ length: 50 }, (_, index) => ({ key: `${index % 3}`, topic: "t", bytes: 100 })),
  );
  assert.deepEqual(nextRequest(all, MAX_BYTES), { request: all, rest: [] });
});
