import assert from "node:assert/strict";
import { ByteReader } from "../../src/postgres/byte_reader.ts";
import { ProtocolError } from "../../src/postgres/protocol_error.ts";

function readerOf(...bytes: number[]): ByteReader {
  return new ByteReader(new Uint8Array(bytes));
}

function failsAt(offset: number, read: () => unknown): void {
  assert.throws(read, (error: unknown) => {
    assert.equal(error instanceof ProtocolError, true, `${error}`);
    assert.equal((error as ProtocolError).offset, offset);
    return true;
  });
}

Deno.test("reads integers big-endian, signed and unsigned", () => {
  assert.equal(readerOf(0xff).uint8(), 255);
  assert.equal(readerOf(0x7f, 0xff).int16(), 32767);
  assert.equal(readerOf(0x80, 0x00).int16(), -32768);
  assert.equal(readerOf(0xff, 0xfe).int16(), -2);
  assert.equal(readerOf(0x01, 0x02, 0x03, 0x04).int32(), 0x01020304);
  assert.equal(readerOf(0xff, 0xff, 0xff, 0xff).int32(), -1);
  assert.equal(readerOf(0xff, 0xff, 0xff, 0xfe).uint32(), 4294967294);
  assert.equal(readerOf(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe).uint64(), 0xfffffffffffffffen);
  assert.equal(readerOf(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe).int64(), -2n);
  assert.equal(readerOf(0, 0, 0, 1, 0x80, 0, 0, 0).int64(), 0x180000000n);
});

Deno.test("reads text up to the zero byte, and views without copying", () => {
  const bytes = new TextEncoder().encode("caf\u00e9\0\ufeffmark\0rest");
  const reader = new ByteReader(bytes);
  assert.equal(reader.cString(), "caf\u00e9");
  assert.equal(reader.cString(), "\ufeffmark");
  const view = reader.view(2);
  assert.deepEqual(view, new TextEncoder().encode("re"));
  assert.equal(view.buffer, bytes.buffer);
  assert.deepEqual(reader.rest(), new TextEncoder().encode("st"));
  assert.equal(reader.remaining, 0);
  assert.deepEqual(reader.rest(), new Uint8Array(0));
});

Deno.test("replaces bytes that are not UTF-8", () => {
  assert.equal(readerOf(0x61, 0xff, 0x62, 0).cString(), "a\ufffdb");
});

Deno.test("stays inside the view it is given, whatever surrounds it", () => {
  const reader = new ByteReader(new Uint8Array([1, 2, 3, 4, 5, 0]).subarray(1, 4));
  assert.equal(reader.uint8(), 2);
  failsAt(1, () => reader.int32());
  failsAt(1, () => reader.cString());
  assert.equal(reader.int16(), 0x0304);
  failsAt(3, () => reader.uint8());
});

Deno.test("says where reading past the end failed, and stands still", () => {
  const reader = readerOf(1, 2, 3);
  reader.uint8();
  for (const read of ["int32", "uint32", "int64", "uint64", "cString"] as const) {
    failsAt(1, () => reader[read]());
  }
  failsAt(1, () => reader.view(3));
  failsAt(1, () => reader.view(-1));
  failsAt(1, () => reader.skip(3));
  failsAt(1, () => reader.skip(-1));
  failsAt(1, () => reader.expectEnd());
  reader.skip(1);
  failsAt(2, () => reader.int16());
  assert.equal(reader.uint8(), 3);
  failsAt(3, () => reader.uint8());
  reader.expectEnd();
});

Deno.test("reads nothing of an integer that is not whole", () => {
  const reader = readerOf(1, 2, 3, 4, 5, 6, 7);
  failsAt(0, () => reader.uint64());
  failsAt(0, () => reader.int64());
  assert.equal(reader.offset, 0);
});

Deno.test("gives the next integer without stepping over it", () => {
  const reader = readerOf(0xff, 0xff, 0xff, 0xfe, 1);
  assert.equal(reader.peekUint32(), 4294967294);
  assert.equal(reader.uint32(), 4294967294);
  failsAt(4, () => reader.peekUint32());
});

Deno.test("starts over with other bytes", () => {
  const reader = readerOf(1, 2, 3);
  reader.int16();
  assert.equal(reader.reset(new Uint8Array([7])).uint8(), 7);
  assert.equal(reader.offset, 1);
  failsAt(1, () => reader.uint8());
});
