import assert from "node:assert/strict";
import fc from "fast-check";
import type { CloudEvent } from "../../../src/sink/sink.ts";
import { positionOn, readRecord, writeRecord } from "../../../sinks/kafka/position_record.ts";
import { identityOf, positionAfter, Progress } from "../../../sinks/kafka/progress.ts";
import { cloudEvent } from "../../support/cloud_events.ts";

/** An event of the transaction at an LSN; of one change there may be several. */
function event(lsn: number, ordinal: number, id = `${lsn}/${ordinal}`): CloudEvent {
  const sequence = `${lsn.toString(16).padStart(16, "0")}-${ordinal.toString(16).padStart(8, "0")}-0000`;
  return cloudEvent(0, { id, sequence });
}

/** Transactions in order, whose events are in whatever order. */
const stream = fc.array(
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 }),
  { minLength: 1, maxLength: 6 },
).map((transactions) =>
  transactions.flatMap((ordinals, lsn) =>
    ordinals.map((ordinal, index) => event(lsn, ordinal, `${lsn}/${index}`))
  )
);

Deno.test("wherever a process ends, the next one has what was delivered, and nothing else", () => {
  fc.assert(fc.property(stream, fc.nat(), fc.nat(), (events, end, start) => {
    const delivered = end % (events.length + 1);
    const position = positionAfter(undefined, events.slice(0, delivered));
    // The slot's position is that of a transaction, and never beyond what was delivered.
    const from = events.findIndex((each, index) =>
      index >= start % (delivered + 1) &&
      each.sequence?.slice(0, 16) !== events[index - 1]?.sequence?.slice(0, 16)
    );
    const again = from >= 0 && from <= delivered ? from : 0;
    const progress = new Progress(position);
    const has = events.slice(again).map((each) => progress.has(each));
    assert.deepEqual(has, events.slice(again).map((_, index) => again + index < delivered));
  }));
});

Deno.test("what comes next in the same process is never taken for delivered", () => {
  const progress = new Progress();
  progress.advance(positionAfter(undefined, [event(5, 3), event(5, 7)]));
  assert.equal(progress.has(event(5, 1, "a row that was only made")), false);
  assert.equal(progress.has(event(6, 0)), false);
});

Deno.test("an event beyond all that were delivered is new, though the last of those does not come again", () => {
  const progress = new Progress(positionAfter(undefined, [event(5, 3, "gone by another filter")]));
  assert.equal(progress.has(event(5, 2)), true);
  assert.equal(progress.has(event(5, 4)), false);
});

Deno.test("what comes again from before a position moves it nowhere", () => {
  const position = positionAfter(undefined, [event(5, 3)]);
  assert.deepEqual(positionAfter(position, [event(4, 9)]), position);
});

Deno.test("what has no position is delivered if it was found to be, and moves nothing", () => {
  const { sequence: _, ...notified } = cloudEvent(1);
  const position = positionAfter(undefined, [event(5, 3)]);
  assert.deepEqual(positionAfter(position, [notified]), position);
  assert.equal(new Progress(position).has(notified), false);
  assert.equal(new Progress(position, true, new Set([identityOf(notified)])).has(notified), true);
});

Deno.test("events of one id and different senders are told apart", () => {
  const [one, other] = ["a", "b"].map((twin) => ({ ...event(5, 3, "message-1"), source: twin }));
  assert(one && other);
  assert.notEqual(identityOf(one), identityOf(other));
});

const RECORD = { timeline: 2, holder: "h", transaction: "t" };

Deno.test("a position is read as it was written", () => {
  const position = positionAfter(undefined, [event(0xffff_ffff, 3)]);
  assert(position);
  for (const record of [{ ...RECORD, position }, RECORD]) {
    assert.deepEqual(readRecord(writeRecord(record)), record);
  }
  for (const text of ["", "{}", '{"version":2}']) {
    assert.throws(() => readRecord(text), /^SinkError: Cannot read the position in Kafka/);
  }
});

Deno.test("a position of an earlier timeline counts up to where that ended", () => {
  const on = {
    systemIdentifier: "7",
    slot: "s",
    timeline: 3,
    ancestors: [{ timeline: 1, end: 4n }, { timeline: 2, end: 8n }],
  };
  const at = (lsn: number) => ({ ...RECORD, position: positionAfter(undefined, [event(lsn, 0)])! });
  assert.deepEqual(positionOn(on, at(7)), at(7).position);
  assert.deepEqual(positionOn(on, at(8)), { lsn: 8n, sequence: "" });
  assert.deepEqual(positionOn(on, at(9)), { lsn: 8n, sequence: "" });
  assert.deepEqual(positionOn(on, { ...at(9), timeline: 3 }), at(9).position);
  assert.throws(
    () => positionOn(on, { ...at(9), timeline: 4 }),
    /timeline 4, which timeline 3 of the server does not come from/,
  );
  assert.equal(positionOn(on, undefined), undefined);
});
