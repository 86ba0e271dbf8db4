import assert from "node:assert/strict";
import { Metrics } from "../../../src/observe/metrics.ts";
import { type Finding, PreflightError } from "../../../src/postgres/replication/finding.ts";
import { openConnection } from "../../../src/postgres/connection/open_connection.ts";
import { ReplicationStream } from "../../../src/postgres/replication/replication_stream.ts";
import type { Source } from "../../../src/postgres/replication/source.ts";
import type { Sql } from "../../../src/postgres/connection/sql.ts";
import type { StreamChunk } from "../../../src/postgres/replication/stream_chunk.ts";
import { FakeWalSender } from "../../support/fake_walsender.ts";
import { LogRecorder } from "../../support/log_recorder.ts";
import { until } from "../../support/until.ts";

const commit = new TextEncoder().encode("C..");

/** A database without rows: no slot, no publication, no graph. */
const emptySql = (() => Promise.resolve([])) as unknown as Sql;

interface Opened extends AsyncDisposable {
  readonly stream: ReplicationStream;
  readonly log: LogRecorder;
  readonly metrics: Metrics;
  /** What the next connections find; a thing to throw, or what differs of the source. */
  readonly script: (Error | Partial<Source>)[];
}

/** A stream from the fake server. */
function open(server: FakeWalSender, ...script: (Error | Partial<Source>)[]): Opened {
  const log = new LogRecorder();
  const metrics = new Metrics();
  const settings = { connection: server.options, slot: "age_slot", publication: "age_pub", failover: true };
  const stream = new ReplicationStream(settings, { metrics, log }, async (_settings, _context, signal) => {
    const next = script.shift() ?? {};
    if (next instanceof Error) throw next;
    const connection = await openConnection(server.options, { replication: "database" }, signal);
    return {
      connection,
      sql: emptySql,
      snapshotSql: emptySql,
      role: { name: "router", isSuperuser: false, mayReplicate: true, mayCreate: false },
      version: 180_000,
      database: "twins",
      systemIdentifier: "7",
      timeline: 1,
      ancestors: [],
      graphCount: 1,
      publication: 1,
      isReplacement: false,
      walEnd: 0x1000n,
      walSenderTimeout: 300,
      ...next,
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  });
  return { stream, log, metrics, script, [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]() };
}

/** Reads until a chunk is what is awaited. */
async function next<Kind extends StreamChunk["kind"]>(
  chunks: AsyncGenerator<StreamChunk, void, void>,
  kind: Kind,
): Promise<Extract<StreamChunk, { kind: Kind }>> {
  for (;;) {
    const { value } = await chunks.next();
    assert(value, `the stream goes on to ${kind}`);
    if (value.kind === kind) return value as Extract<StreamChunk, { kind: Kind }>;
  }
}

function finding(severity: Finding["severity"], about: Finding["about"]): PreflightError {
  return new PreflightError([{ severity, about, problem: `Cannot: ${about}`, remedy: "Do." }]);
}

Deno.test("garbage on the wire ends the connection, and the stream begins again where it was confirmed", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server);
  const { stream, log, metrics } = opened;
  const chunks = stream.messages(new AbortController().signal);
  const { systemIdentifier, timeline, sameTimelineAsBefore } = await next(chunks, "connected");
  assert.deepEqual({ systemIdentifier, timeline, sameTimelineAsBefore }, {
    systemIdentifier: "7",
    timeline: 1,
    sameTimelineAsBefore: true,
  });
  const first = await server.stream();
  assert.match(first.command, /LOGICAL 0\/0 /);
  await first.xLogData(0x500n, commit);
  await next(chunks, "payloads");
  stream.confirm(0x500n);
  await first.send(new TextEncoder().encode("x garbage"));
  assert.equal((await next(chunks, "connected")).sameTimelineAsBefore, true);
  assert.match((await server.stream(1)).command, /LOGICAL 0\/500 /);
  const reading = next(chunks, "payloads");
  await until(() => log.matching(/up again after [\d.]+ s/).length > 0, "the end of the outage");
  assert.equal(log.matching(/^warn Replication is down.* message 'x'/).length, 1);
  assert.match(await metrics.registry.metrics(), /twinrouter_replication_reconnects_total 1\n/);
  await (await server.stream(1)).xLogData(0x600n, commit);
  await reading;
});

Deno.test("a message that the reader cannot make sense of begins the stream again, and loses nothing", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server);
  const { stream, log } = opened;
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  const first = await server.stream();
  await first.xLogData(0x500n, commit);
  await next(chunks, "payloads");
  stream.confirm(0x500n);
  await first.xLogData(0x600n, new TextEncoder().encode("?"));
  await next(chunks, "payloads");
  stream.beginAgain(new Error("Cannot read '?'"));
  await next(chunks, "connected");
  assert.match((await server.stream(1)).command, /LOGICAL 0\/500 /);
  assert.equal(log.matching(/^warn Replication is down.*Cannot read/).length, 1);
});

Deno.test("an outage is said once, however often it is tried, and when it is over", async () => {
  await using server = new FakeWalSender();
  await using opened = open(
    server,
    {},
    ...Array.from({ length: 3 }, (_, i) => new Error(`Cannot connect: ${i}`)),
  );
  const { stream, log } = opened;
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  (await server.stream()).cut();
  const back = next(chunks, "connected");
  await until(() => stream.health().state === "interrupted", "the outage");
  assert.equal(stream.health().ready, false);
  assert.match(stream.health().detail ?? "", /Cannot/);
  await back;
  assert.equal(stream.health().ready, true);
  const reading = next(chunks, "payloads");
  await until(() => log.matching(/up again/).length > 0, "the end of the outage");
  assert.equal(log.matching(/^(warn|error)/).length, 1);
  assert.equal(log.matching(/^info .*up again/).length, 1);
  await (await server.stream(1)).xLogData(1n, commit);
  await reading;
});

Deno.test("a connection that fails each time as soon as it streams is one outage", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server);
  const { stream, log } = opened;
  const chunks = stream.messages(new AbortController().signal);
  for (let index = 0; index < 4; index++) {
    await next(chunks, "connected");
    (await server.stream(index)).cut();
  }
  await next(chunks, "connected");
  assert.equal(log.matching(/^warn Replication is down/).length, 1);
});

Deno.test("confirmed positions never go back, nor beyond what was received", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server);
  const { stream } = opened;
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  const connection = await server.stream();
  await connection.xLogData(0x300n, commit);
  await next(chunks, "payloads");
  const confirm = async (lsn: bigint) => {
    const before = connection.statuses.length;
    stream.confirm(lsn);
    await until(() => connection.statuses.length > before + 1, "status updates");
    return connection.statuses.at(-1)?.flushed;
  };
  assert.equal(await confirm(0x200n), 0x200n);
  assert.equal(await confirm(0x100n), 0x200n);
  assert.equal(await confirm(0x400n), 0x200n);
  assert.equal(await confirm(0x301n), 0x200n);
  assert.equal(await confirm(0x300n), 0x300n);
});

Deno.test("after a failover nothing from the earlier timeline is confirmed", async () => {
  await using server = new FakeWalSender();
  server.replyWith = undefined;
  await using opened = open(server, {}, { timeline: 2 });
  const { stream } = opened;
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  const before = await server.stream();
  await before.xLogData(0x500n, commit);
  await next(chunks, "payloads");
  stream.confirm(0x400n);
  before.cut();
  assert.equal((await next(chunks, "connected")).sameTimelineAsBefore, false);
  const after = await server.stream(1);
  assert.match(after.command, /LOGICAL 0\/0 /);
  stream.confirm(0x500n); // of the earlier timeline, only now settled
  await after.status(({ flushed }) => flushed === 0n, "a status update");
  await until(() => after.statuses.length > 2, "status updates");
  assert(after.statuses.every(({ flushed }) => flushed === 0n));
});

Deno.test("a failover is told of even if the first connection after it never comes to stream", async () => {
  await using server = new FakeWalSender();
  const failing = (() => Promise.reject(new Error("Cannot read the slot"))) as unknown as Sql;
  await using opened = open(server, {}, { timeline: 2, sql: failing }, { timeline: 2 });
  const chunks = opened.stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  (await server.stream()).cut();
  assert.equal((await next(chunks, "connected")).sameTimelineAsBefore, false);
  (await server.stream(1)).cut();
  opened.script.push({ timeline: 2 });
  assert.equal((await next(chunks, "connected")).sameTimelineAsBefore, true, "it is told once");
});

Deno.test("a cluster that was restored to before what was received counts as another timeline", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server, {}, { walEnd: 0x400n });
  const chunks = opened.stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  await (await server.stream()).xLogData(0x500n, commit);
  await next(chunks, "payloads");
  opened.stream.confirm(0x300n);
  (await server.stream()).cut();
  assert.equal((await next(chunks, "connected")).sameTimelineAsBefore, false);
});

Deno.test("a cluster that was restored to an earlier state counts as another timeline", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server, {}, { walEnd: 0x100n });
  const { stream } = opened;
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  await (await server.stream()).xLogData(0x500n, commit);
  await next(chunks, "payloads");
  stream.confirm(0x500n);
  (await server.stream()).cut();
  assert.equal((await next(chunks, "connected")).sameTimelineAsBefore, false);
});

Deno.test("before the first connection what somebody has to change ends the stream, what may pass is tried again", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server, finding("transient", "server"), finding("fatal", "server"));
  const { stream, log } = opened;
  await assert.rejects(stream.messages(new AbortController().signal).next(), PreflightError);
  assert.equal(log.matching(/Replication is down/).length, 1, "the transient one was waited for");
  assert.equal(stream.health().state, "stopped");

  const refusal = Object.assign(new Error("password authentication failed"), { code: "28P01" });
  await using refused = open(server, refusal);
  await assert.rejects(refused.stream.messages(new AbortController().signal).next(), /password/);
});

Deno.test("once it has streamed, only the loss of the slot ends it", async () => {
  await using server = new FakeWalSender();
  const denied = Object.assign(new Error("password authentication failed"), { code: "28P01" });
  await using opened = open(server, {}, denied, finding("fatal", "server"), {}, finding("fatal", "history"));
  const { stream, log } = opened;
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  (await server.stream()).cut();
  await next(chunks, "connected");
  assert.equal(log.matching(/^warn Cannot: server\. Do\./).length, 1, "what has to be changed is said");
  (await server.stream(1)).cut();
  await assert.rejects(chunks.next(), /Cannot: history/);
});

Deno.test("after an abort what was read can still be confirmed, until the stream is disposed of", async () => {
  await using server = new FakeWalSender();
  const stop = new AbortController();
  const opened = open(server);
  const { stream } = opened;
  const chunks = stream.messages(stop.signal);
  await next(chunks, "connected");
  const connection = await server.stream();
  await connection.xLogData(0x500n, commit);
  await next(chunks, "payloads");
  const end = chunks.next();
  stop.abort();
  while (!(await end).done) await chunks.next();
  await until(() => connection.statuses.length > 3, "status updates go on");
  stream.confirm(0x500n);
  await opened[Symbol.asyncDispose]();
  await until(() => connection.statuses.at(-1)?.flushed === 0x500n, "the last status update");
});

Deno.test("who was told that the slot is not held hears that it is, though the doubt has passed between two looks", async () => {
  await using server = new FakeWalSender();
  await using opened = open(server, { walSenderTimeout: 3_000 });
  const { stream } = opened;
  const told: boolean[] = [];
  stream.onHoldChange = () => told.push(stream.holdsSlot);
  const chunks = stream.messages(new AbortController().signal);
  await next(chunks, "connected");
  const reading = next(chunks, "payloads");
  assert.deepEqual(told, [true]);
  const { now } = Date;
  try {
    Date.now = () => now() + 3_600_000; // somebody sets the clock
    assert.equal(stream.holdsSlot, false);
  } finally {
    Date.now = now;
  }
  assert.equal(stream.holdsSlot, true);
  await until(() => told.length > 1, "word of the slot");
  assert.deepEqual(told, [true, true]);
  await (await server.stream()).xLogData(0x500n, commit);
  await reading;
});
