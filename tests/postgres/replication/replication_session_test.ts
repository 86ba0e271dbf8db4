import assert from "node:assert/strict";
import type { LivenessTimings } from "../../../src/postgres/replication/liveness.ts";
import { openConnection } from "../../../src/postgres/connection/open_connection.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import {
  ReplicationSession,
  SilenceError,
  startReplication,
} from "../../../src/postgres/replication/replication_session.ts";
import { ReplicationProgress } from "../../../src/postgres/replication/replication_progress.ts";
import type { WalSenderMessage } from "../../../src/postgres/replication/walsender_message.ts";
import { FakeWalSender } from "../../support/fake_walsender.ts";
import { until } from "../../support/until.ts";

const never = new AbortController().signal;
const source = { slot: "age_slot", publication: "age_pub" };
const row = new TextEncoder().encode("I..");
const commit = new TextEncoder().encode("C..");

/** A session with a server that says only what a test has it say; tests are impatient. */
async function open(server: FakeWalSender, timings: Partial<LivenessTimings> = {}) {
  const progress = new ReplicationProgress();
  const connection = await openConnection(server.options, { replication: "database" }, never);
  const all = { statusInterval: 20, silentAfter: 10_000, lostAfter: 20_000, ...timings };
  const session = await ReplicationSession.start(connection, source, progress, all, () => {}, never);
  return { session, progress, stream: await server.stream(), [Symbol.asyncDispose]: () => session.abandon() };
}

async function take(read: AsyncGenerator<WalSenderMessage, void, void>): Promise<WalSenderMessage> {
  const { value } = await read.next();
  assert(value, "the stream goes on");
  return value;
}

Deno.test("keepalives keep their place between payloads", async () => {
  await using server = new FakeWalSender();
  server.replyWith = undefined;
  await using opened = await open(server);
  const { session, stream, progress } = opened;
  await stream.xLogData(0x10n, row);
  await stream.xLogData(0x20n, commit);
  await stream.keepalive(0x28n);
  await stream.xLogData(0x30n, commit);
  const seen: string[] = [];
  for await (const message of session.read(never)) {
    if (message.kind === "keepalive") seen.push("keepalive");
    else for (const payload of message.payloads) seen.push(new TextDecoder().decode(payload));
    if (progress.received === 0x30n) break;
  }
  assert.deepEqual(seen, ["I..", "C..", "keepalive", "C.."]);
});

Deno.test("the server's own request for a reply is answered at once, with what is confirmed", async () => {
  await using server = new FakeWalSender();
  await using opened = await open(server, { statusInterval: 60_000 });
  const { session, stream, progress } = opened;
  progress.resumeAt(0x1234n);
  const read = session.read(never);
  await take(read); // the reply to the first status update
  const answered = stream.status(({ replyRequested }) => !replyRequested, "an answer");
  await stream.keepalive(0x2000n, true);
  await take(read);
  await answered;
  const { written, flushed, applied } = stream.statuses.at(-1) ?? {};
  assert.deepEqual({ written, flushed, applied }, { written: 0x2000n, flushed: 0x1234n, applied: 0x1234n });
});

Deno.test("what is confirmed goes out soon, in one update however often it moved", async () => {
  await using server = new FakeWalSender();
  await using opened = await open(server, { statusInterval: 60_000 });
  const { session, stream, progress } = opened;
  await until(() => stream.statuses.length === 1, "the first status update");
  for (let lsn = 1n; lsn <= 1000n; lsn++) {
    progress.resumeAt(lsn);
    session.confirmSoon();
  }
  await until(() => stream.statuses.length > 1, "another status update");
  assert.deepEqual(stream.statuses.map(({ flushed }) => flushed), [0n, 1000n]);
});

Deno.test("status updates go out while nobody reads, and that is not silence", async () => {
  await using server = new FakeWalSender();
  await using opened = await open(server, { silentAfter: 30, lostAfter: 60 });
  const { session, stream } = opened;
  await stream.xLogData(0x10n, row);
  const read = session.read(never);
  await take(read);
  const before = stream.statuses.length;
  await until(() => session.silence > 200 && stream.statuses.length > before + 5, "status updates");
  assert.equal(session.liveness, "not reading");
  await stream.xLogData(0x20n, row);
  assert.equal((await take(read)).kind, "keepalive"); // the connection has stayed, and all is there
  assert.equal(session.liveness, "alive");
});

Deno.test("a server that is silent although it is read and asked is given up", async () => {
  await using server = new FakeWalSender();
  server.replyWith = undefined;
  await using opened = await open(server, { silentAfter: 50, lostAfter: 1_500 });
  const { session } = opened;
  const read = session.read(never).next();
  const lost = assert.rejects(read, SilenceError);
  await until(() => session.liveness === "silent", "silence");
  await lost;
});

Deno.test("a process that has slept itself does not take that for the server's silence", async () => {
  await using server = new FakeWalSender();
  await using opened = await open(server, { silentAfter: 250, lostAfter: 500 });
  const { session } = opened;
  const read = session.read(never);
  await take(read);
  const next = take(read);
  for (const end = performance.now() + 1_200; performance.now() < end;);
  await next;
  await take(read);
});

Deno.test("replies alone keep an idle connection alive", async () => {
  await using server = new FakeWalSender();
  await using opened = await open(server, { silentAfter: 500, lostAfter: 1_000 });
  const { session } = opened;
  const began = performance.now();
  for await (const message of session.read(never)) {
    assert.equal(message.kind, "keepalive");
    assert.equal(session.liveness, "alive");
    if (performance.now() - began > 1_500) break;
  }
});

Deno.test("anything but XLogData and keepalives is a protocol error", async () => {
  const malformed: [string, Uint8Array][] = [
    ["another message", new TextEncoder().encode("x garbage")],
    ["an empty one", new Uint8Array(0)],
    ["XLogData without its header", new TextEncoder().encode("w12345678")],
    ["a keepalive that is too short", new TextEncoder().encode("k1234")],
  ];
  for (const [name, payload] of malformed) {
    await using server = new FakeWalSender();
    server.replyWith = undefined;
    await using opened = await open(server);
    const { session, stream } = opened;
    await stream.send(payload);
    await assert.rejects(session.read(never).next(), ProtocolError, name);
  }
});

Deno.test("reading goes on after an abort, and misses nothing", async () => {
  await using server = new FakeWalSender();
  server.replyWith = undefined;
  await using opened = await open(server);
  const { session, stream, progress } = opened;
  const stop = new AbortController();
  const aborted = assert.rejects(session.read(stop.signal).next(), /enough/);
  stop.abort(new Error("enough"));
  await aborted;
  await stream.xLogData(0x10n, commit);
  assert.equal((await take(session.read(never))).kind, "payloads");
  assert.equal(progress.received, 0x10n);
});

Deno.test("a session that ends has told what is confirmed, and said goodbye", async () => {
  await using server = new FakeWalSender();
  await using opened = await open(server, { statusInterval: 60_000 });
  const { session, stream, progress } = opened;
  progress.resumeAt(0x77n);
  await session.end();
  await until(() => stream.statuses.at(-1)?.flushed === 0x77n, "the last status update");
});

Deno.test("names are quoted in START_REPLICATION, and the protocol is the newest that the server speaks", () => {
  assert.equal(
    startReplication({ slot: "age_slot", publication: `it's "odd", x` }, 0x16b374d848n, 140_005),
    `START_REPLICATION SLOT "age_slot" LOGICAL 16/B374D848 (proto_version '2', ` +
      `publication_names '"it''s ""odd"", x"', messages 'true', streaming 'off')`,
  );
  assert.match(startReplication(source, 0n, 150_018), /LOGICAL 0\/0 \(proto_version '3'/);
  assert.match(startReplication(source, 0n, 160_000), /proto_version '4'/);
  assert.match(startReplication(source, 0n, 180_004), /proto_version '4'/);
});
