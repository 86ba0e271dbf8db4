import assert from "node:assert/strict";
import { ResponseFrames } from "../../../sinks/kafka/response_frames.ts";
import { ByteWriter } from "../../support/byte_writer.ts";

const response = (length: number, there = length) =>
  new ByteWriter().int32(length).bytes(new Uint8Array(there).fill(0xff)).finish();

Deno.test("ResponseFrames passes responses wherever they are cut", () => {
  const bytes = new Uint8Array([...response(4), ...response(300), ...response(8)]);
  for (let size = 1; size <= bytes.length; size++) {
    const frames = new ResponseFrames();
    for (let at = 0; at < bytes.length; at += size) frames.push(bytes.subarray(at, at + size), 4);
  }
});

Deno.test("ResponseFrames refuses a length that cannot be, as soon as it is there", () => {
  for (const length of [-2147483648, -4, -1, 0, 3, 104_857_601, 2147483647]) {
    const frames = new ResponseFrames();
    frames.push(response(10), 4);
    const bytes = new ByteWriter().int32(length).finish();
    frames.push(bytes.subarray(0, 3), 4);
    assert.throws(() => frames.push(bytes.subarray(3), 4), new RegExp(`a length of ${length} bytes`));
  }
  new ResponseFrames().push(response(0), 0);
});
