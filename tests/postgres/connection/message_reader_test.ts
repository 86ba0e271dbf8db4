import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Received } from "../../../src/postgres/connection/message_framer.ts";
import { MessageReader } from "../../../src/postgres/connection/message_reader.ts";
import { copyData, message, parameterStatus, readyForQuery } from "../../support/fake_postgres.ts";

const signal = new AbortController().signal;

/** A socket that gives what it is told to, chunk by chunk. */
class ScriptedSocket extends Duplex {
  constructor() {
    super({ read: () => {}, write: (_chunk, _encoding, callback) => callback(), highWaterMark: 1 });
  }

  receive(...messages: Uint8Array[]): void {
    this.emit("data", Buffer.concat(messages));
  }
}

function reader(): { socket: ScriptedSocket; reader: MessageReader } {
  const socket = new ScriptedSocket();
  const reader = new MessageReader(socket, "db:5432");
  reader.messageLimit = 1024 * 1024;
  return { socket, reader };
}

function sizes(received: Received | undefined): number[] | string | undefined {
  return received?.kind === "copyData" ? received.payloads.map(({ length }) => length) : received?.type;
}

Deno.test("hands notifications on at once, with the bytes of their payload, and between other messages", async () => {
  const { socket, reader: messages } = reader();
  const notified = (channel: string, ...payload: number[]) =>
    message("A", (body) => body.int32(4711).cString(channel).bytes(Uint8Array.of(...payload, 0)));
  socket.receive(notified("nobody", 1));
  const heard: unknown[] = [];
  messages.onNotification = (notification) => heard.push(notification);
  socket.receive(notified("a"), readyForQuery(), notified("b", 0xff, 0x7b));
  assert.deepEqual(heard, [
    { processId: 4711, channel: "a", payload: Uint8Array.of() },
    { processId: 4711, channel: "b", payload: Uint8Array.of(0xff, 0x7b) },
  ]);
  assert.equal(sizes(await messages.take(signal)), "Z");
  assert.equal(messages.poll(), undefined);
});

Deno.test("pauses the socket past 256 KiB that nobody takes, until all of it is taken", async () => {
  const { socket, reader: messages } = reader();
  const payload = new Uint8Array(60 * 1024);
  for (let chunk = 0; chunk < 4; chunk++) {
    socket.receive(copyData(payload));
    assert.ok(!socket.isPaused(), `after ${chunk + 1} chunks`);
  }
  socket.receive(copyData(payload));
  assert.ok(socket.isPaused());
  for (let chunk = 0; chunk < 5; chunk++) {
    assert.ok(socket.isPaused());
    assert.deepEqual(sizes(await messages.take(signal)), [payload.length]);
  }
  assert.ok(!socket.isPaused());
});

Deno.test("does not pause for a message that is longer than that, nor for who takes all at once", async () => {
  const { socket, reader: messages } = reader();
  const large = copyData(new Uint8Array(900 * 1024));
  for (let offset = 0; offset < large.length; offset += 64 * 1024) {
    assert.ok(!socket.isPaused());
    socket.receive(large.subarray(offset, offset + 64 * 1024));
  }
  assert.deepEqual(sizes(messages.poll()), [900 * 1024]);
  for (let chunk = 0; chunk < 20; chunk++) {
    const taking = messages.take(signal);
    socket.receive(copyData(new Uint8Array(60 * 1024)));
    assert.deepEqual(sizes(await taking), [60 * 1024]);
    assert.ok(!socket.isPaused());
  }
});

Deno.test("gives what came before the connection was lost, and then why it was lost", async () => {
  const { socket, reader: messages } = reader();
  socket.receive(copyData("a"), copyData("bc"), readyForQuery(), copyData("d"));
  socket.destroy(new Error("read ETIMEDOUT"));
  await new Promise((resolve) => socket.once("close", resolve));
  assert.deepEqual(sizes(await messages.take(signal)), [1, 2]);
  assert.deepEqual(sizes(await messages.take(signal)), "Z");
  assert.deepEqual(sizes(messages.poll()), [1]);
  assert.equal(messages.poll(), undefined);
  await assert.rejects(messages.take(signal), /^Error: Cannot read from db:5432: read ETIMEDOUT$/);
});

Deno.test("lets nobody take while somebody else waits", async () => {
  const { socket, reader: messages } = reader();
  const first = messages.take(signal);
  await assert.rejects(messages.take(signal), /somebody else is reading/);
  socket.receive(readyForQuery());
  assert.deepEqual(sizes(await first), "Z");
});

Deno.test("hands the socket over only when nothing would be lost by it", () => {
  for (const chunk of [readyForQuery(), readyForQuery().subarray(0, 1), copyData("abc").subarray(0, 6)]) {
    const { socket, reader: messages } = reader();
    socket.receive(chunk);
    assert.throws(() => messages.detach(), /Cannot hand over the connection to db:5432/);
  }
  const { socket, reader: messages } = reader();
  socket.receive(parameterStatus("TimeZone", "UTC"), message("N", (body) => body.uint8(0)));
  messages.detach();
  assert.ok(socket.isPaused());
  assert.equal(
    socket.listenerCount("data") + socket.listenerCount("error") + socket.listenerCount("close"),
    0,
  );
});
