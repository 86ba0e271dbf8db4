import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { MessageFramer, type Received } from "../../../src/postgres/connection/message_framer.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import { ByteWriter } from "../../support/byte_writer.ts";

interface Message {
  readonly type: string;
  readonly body: Uint8Array;
}

function encode(messages: readonly Message[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { type, body } of messages) writer.character(type).int32(body.length + 4).bytes(body);
  return writer.finish();
}

function bytes(length: number, first = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => first + index);
}

/** Runs of CopyData taken apart again. */
function flatten(received: readonly Received[]): Message[] {
  return received.flatMap((each) =>
    each.kind === "copyData"
      ? each.payloads.map((body) => ({ type: "d", body }))
      : [{ type: each.type, body: each.body }]
  );
}

const messages: readonly Message[] = [
  { type: "W", body: bytes(3) },
  { type: "d", body: bytes(10) },
  { type: "d", body: bytes(0) },
  { type: "d", body: bytes(7, 50) },
  { type: "N", body: bytes(1) },
  { type: "d", body: bytes(6, 90) },
  { type: "c", body: bytes(0) },
  { type: "Z", body: bytes(1) },
];

Deno.test("finds the same messages wherever the bytes are cut in two or three", () => {
  const stream = encode(messages);
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const framer = new MessageFramer(1024);
      const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)];
      const received = chunks.flatMap((chunk) => framer.push(chunk));
      assert.deepEqual(flatten(received), messages, `cut at ${first} and ${second}`);
      assert.ok(framer.isBetweenMessages);
    }
  }
});

Deno.test("finds the same messages in chunks of any sizes", () => {
  const message = fc.record({
    type: fc.constantFrom("d", "d", "d", "N", "S"),
    body: fc.uint8Array({ maxLength: 40 }),
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(message), sizes, (messages, sizes) => {
      const stream = encode(messages);
      const framer = new MessageFramer(1024);
      const received: Received[] = [];
      for (let offset = 0, turn = 0; offset < stream.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        received.push(...framer.push(stream.subarray(offset, offset + size)));
        offset += size;
      }
      assert.deepEqual(flatten(received).map(encodeOne), messages.map(encodeOne));
    }),
    { seed: 20_260_103, numRuns: 2000 },
  );
});

function encodeOne(message: Message): string {
  return `${message.type} ${message.body.toHex()}`;
}

Deno.test("gives adjacent CopyData of one chunk as one run, as views and not copies", () => {
  const chunk = encode(messages);
  const received = new MessageFramer(1024).push(chunk);
  assert.deepEqual(received.map((each) => each.kind === "copyData" ? each.payloads.length : each.type), [
    "W",
    3,
    "N",
    1,
    "c",
    "Z",
  ]);
  for (const { body } of flatten(received)) assert.equal(body.buffer, chunk.buffer);
});

Deno.test("puts a large message together without copying it anew for each chunk", () => {
  const length = 64 * 1024 * 1024;
  const chunk = new Uint8Array(4096).fill(7);
  const framer = new MessageFramer(length + 4);
  framer.push(encode([{ type: "d", body: new Uint8Array(0) }]));
  framer.push(new ByteWriter().character("d").int32(length + 4).finish());
  // Quadratic copying of 16384 chunks would move 512 GiB.
  let received: Received[] = [];
  for (let sent = 0; sent < length; sent += chunk.length) received = framer.push(chunk);
  const [message] = flatten(received);
  assert.equal(message?.body.length, length);
  assert.equal(Buffer.compare(message.body.subarray(-chunk.length), chunk), 0);
});

Deno.test("refuses a length that is shorter than itself, negative or beyond the limit", () => {
  for (const length of [0, 3, -1, -2147483648, 1025, 0x7fffffff]) {
    const header = new ByteWriter().character("D").int32(length).bytes(bytes(20)).finish();
    for (const cut of [0, 2, 5]) {
      const framer = new MessageFramer(1024);
      assert.throws(() => {
        framer.push(header.subarray(0, cut));
        framer.push(header.subarray(cut));
      }, (error) => {
        assert.ok(error instanceof ProtocolError);
        assert.match(error.message, /^Cannot read message 'D': its length is \d+ \(at byte 1\)$/);
        return true;
      }, `length ${length}, cut at ${cut}`);
    }
  }
});
