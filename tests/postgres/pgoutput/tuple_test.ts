import assert from "node:assert/strict";
import { ByteReader } from "../../../src/postgres/byte_reader.ts";
import { readTuple } from "../../../src/postgres/pgoutput/tuple.ts";
import type { Tuple } from "../../../src/postgres/wal_message.ts";
import { type ColumnValue, encodeWalMessage } from "../../support/pgoutput_builder.ts";

const beforeRow = "I".length + 4 + "N".length;

function tupleOf(...columns: ColumnValue[]): { tuple: Tuple; payload: Uint8Array } {
  const payload = encodeWalMessage({ kind: "insert", relationOid: 1, new: columns });
  const reader = new ByteReader(payload);
  reader.skip(beforeRow);
  const tuple = readTuple(reader, payload);
  reader.expectEnd();
  return { tuple, payload };
}

Deno.test("tells what kind of value each column has", () => {
  const { tuple } = tupleOf("text", null, undefined, new Uint8Array([1]), "");
  assert.equal(tuple.columnCount, 5);
  assert.deepEqual([0, 1, 2, 3, 4].map((column) => tuple.kind(column)), [
    "text",
    "null",
    "unchanged",
    "binary",
    "text",
  ]);
});

Deno.test("gives bytes as views, in any order and more than once", () => {
  const { tuple, payload } = tupleOf("844424930131973", null, undefined, new Uint8Array([0, 255]), "");
  assert.deepEqual(tuple.bytes(4), new Uint8Array(0));
  assert.deepEqual(tuple.bytes(3), new Uint8Array([0, 255]));
  assert.equal(tuple.bytes(2), undefined);
  assert.equal(tuple.bytes(1), undefined);
  const id = tuple.bytes(0);
  assert.deepEqual(id, new TextEncoder().encode("844424930131973"));
  assert.equal(id?.buffer, payload.buffer);
  assert.deepEqual(tuple.bytes(3), new Uint8Array([0, 255]));
});

Deno.test("gives text as UTF-8, whatever stands in it", () => {
  const texts = ["", "ascii", "caf\u00e9 \u{1f600}", "\ufeffbyte order mark", 'a "quoted" \\ line\n'];
  const { tuple } = tupleOf(...texts, null, undefined);
  assert.deepEqual(texts.map((_, column) => tuple.text(column)), texts);
  assert.equal(tuple.text(texts.length), undefined);
  assert.equal(tuple.text(texts.length + 1), undefined);
  assert.equal(tupleOf(new Uint8Array([0x61, 0xff])).tuple.text(0), "a\ufffd");
});

Deno.test("keeps apart rows that are read in turns", () => {
  const one = tupleOf("one", "1").tuple;
  const two = tupleOf("two", null).tuple;
  assert.deepEqual([one.text(1), two.text(1), one.text(0), two.text(0)], ["1", undefined, "one", "two"]);
});

Deno.test("refuses a column that the row does not have", () => {
  const { tuple } = tupleOf("a");
  for (const column of [-1, 1, NaN]) {
    assert.throws(() => tuple.kind(column), RangeError);
    assert.throws(() => tuple.bytes(column), RangeError);
    assert.throws(() => tuple.text(column), RangeError);
  }
});
