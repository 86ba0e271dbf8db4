import assert from "node:assert/strict";
import type { OpenFile } from "../../sinks/file/line_file.ts";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import { FileFarEnd } from "../support/file_far_end.ts";
import { inRepository } from "../support/repository.ts";
import { assertArrived, deliver, failureOf, summary } from "../support/sink_conformance.ts";

const NEVER = new AbortController().signal;

for (
  const [what, torn] of [
    ["the beginning of a line", '{"specversion":"1.0","id":"0198'],
    ["a few letters", '{"spe'],
    ["a long line's beginning", `{"specversion":"1.0","data":"${"é".repeat(100_000)}`],
    ["zeros", "\0".repeat(100)],
    ["a line of which the end is zeros", `{"specversion":"1.0","id":"${"\0".repeat(5000)}`],
  ] as const
) {
  Deno.test(`file removes what a crash left: ${what}`, async () => {
    await using farEnd = await FileFarEnd.start();
    {
      await using sink = farEnd.sink();
      await sink.connect(NEVER);
      await deliver(sink, [cloudEvent(1)]);
    }
    await Deno.writeTextFile(farEnd.path, torn, { append: true });
    await using sink = farEnd.sink();
    await sink.connect(NEVER);
    assert.deepEqual(await deliver(sink, [cloudEvent(2)]), []);
    assertArrived(await farEnd.received(), [cloudEvent(1), cloudEvent(2)]);
    assert.equal(farEnd.warnings.length, 1);
    assert.match(
      farEnd.warnings[0] ?? "",
      new RegExp(`torn line of ${new TextEncoder().encode(torn).length} bytes`),
    );
  });
}

Deno.test("file removes a torn first line too", async () => {
  await using farEnd = await FileFarEnd.start();
  await Deno.writeTextFile(farEnd.path, '{"specversion":');
  await using sink = farEnd.sink();
  await sink.connect(NEVER);
  await deliver(sink, [cloudEvent(1)]);
  assertArrived(await farEnd.received(), [cloudEvent(1)]);
});

Deno.test("file ends a last line that lacks nothing else", async () => {
  await using farEnd = await FileFarEnd.start();
  {
    await using sink = farEnd.sink();
    await sink.connect(NEVER);
    await deliver(sink, [cloudEvent(1)]);
  }
  await Deno.truncate(farEnd.path, (await Deno.stat(farEnd.path)).size - 1);
  await using sink = farEnd.sink();
  await sink.connect(NEVER);
  await deliver(sink, [cloudEvent(2)]);
  assertArrived(await farEnd.received(), [cloudEvent(1), cloudEvent(2)]);
});

Deno.test("file does not touch a file that is not its own", async () => {
  await using farEnd = await FileFarEnd.start();
  const letter = "Dear Ada,\nyours truly";
  await Deno.writeTextFile(farEnd.path, letter);
  await using sink = farEnd.sink();
  assert.equal((await failureOf(sink.connect(NEVER))).kind, "fatal");
  assert.deepEqual(summary(await deliver(sink, [cloudEvent(1)])), ["0 fatal"]);
  assert.equal(await Deno.readTextFile(farEnd.path), letter);
});

function diskFull(): never {
  throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
}

Deno.test("file takes back what it wrote of a batch when the disk is full", async () => {
  await using farEnd = await FileFarEnd.start();
  let room = 100_000;
  const open: OpenFile = async (path, openOptions) => {
    const file = await Deno.open(path, openOptions);
    const write = file.write.bind(file);
    file.write = async (bytes) => {
      if (room === 0) diskFull();
      const count = await write(bytes.subarray(0, room));
      room -= count;
      return count;
    };
    return file;
  };
  await using sink = farEnd.sink({}, open);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(2, 7)), []);
  room = 700;
  const failed = await deliver(sink, cloudEvents(5, 7, 2));
  assert.deepEqual(summary(failed), [
    "0 retryable",
    "1 retryable",
    "2 retryable",
    "3 retryable",
    "4 retryable",
  ]);
  assert.match(failed[0]?.error.message ?? "", /^Cannot write to .*events\.ndjson: No space left on device/);
  assertArrived(await farEnd.received(), cloudEvents(2, 7));

  room = 100_000;
  assert.deepEqual(await deliver(sink, cloudEvents(5, 7, 2)), []);
  assertArrived(await farEnd.received(), cloudEvents(7));
  assert.deepEqual(farEnd.warnings, []);
});

Deno.test("file goes on at its end, wherever that is after somebody has cut it", async () => {
  await using farEnd = await FileFarEnd.start();
  let full = false;
  const open: OpenFile = async (path, openOptions) => {
    const file = await Deno.open(path, openOptions);
    const write = file.write.bind(file);
    file.write = (bytes) => full ? diskFull() : write(bytes);
    return file;
  };
  await using sink = farEnd.sink({}, open);
  await sink.connect(NEVER);
  await deliver(sink, cloudEvents(3));
  await Deno.truncate(farEnd.path, 0);
  full = true;
  assert.deepEqual(summary(await deliver(sink, [cloudEvent(4)])), ["0 retryable"]);
  assert.equal((await Deno.stat(farEnd.path)).size, 0);
  full = false;
  assert.deepEqual(await deliver(sink, [cloudEvent(4)]), []);
  assertArrived(await farEnd.received(), [cloudEvent(4)]);
});

Deno.test("file repairs what could not be taken back before it writes more", async () => {
  await using farEnd = await FileFarEnd.start();
  let broken = true;
  const open: OpenFile = async (path, openOptions) => {
    const file = await Deno.open(path, openOptions);
    const write = file.write.bind(file);
    const truncate = file.truncate.bind(file);
    let writes = 0;
    file.write = (bytes) =>
      broken ? writes++ === 0 ? write(bytes.subarray(0, 100)) : diskFull() : write(bytes);
    file.truncate = (length) => broken ? Promise.reject(new Error("Input/output error")) : truncate(length);
    return file;
  };
  await using sink = farEnd.sink({}, open);
  await sink.connect(NEVER);
  assert.deepEqual(summary(await deliver(sink, [cloudEvent(1)])), ["0 retryable"]);
  assert.equal((await Deno.stat(farEnd.path)).size, 100);
  broken = false;
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  assertArrived(await farEnd.received(), [cloudEvent(1)]);
});

Deno.test("file settles events only once they are on the disk", async () => {
  await using farEnd = await FileFarEnd.start();
  const { promise: syncing, resolve: startSync } = Promise.withResolvers<void>();
  const { promise: synced, resolve: endSync } = Promise.withResolvers<void>();
  const open: OpenFile = async (path, openOptions) => {
    const file = await Deno.open(path, openOptions);
    const syncData = file.syncData.bind(file);
    file.syncData = async () => {
      startSync();
      await synced;
      await syncData();
    };
    return file;
  };
  await using sink = farEnd.sink({}, open);
  await sink.connect(NEVER);
  let settled = false;
  const delivery = deliver(sink, [cloudEvent(1)]).finally(() => settled = true);
  await syncing;
  assert.equal((await farEnd.received()).length, 1, "it synced before it wrote");
  assert.equal(settled, false);
  endSync();
  assert.deepEqual(await delivery, []);
});

Deno.test("file takes an event back that could not be synced", async () => {
  await using farEnd = await FileFarEnd.start();
  let broken = true;
  const open: OpenFile = async (path, openOptions) => {
    const file = await Deno.open(path, openOptions);
    const syncData = file.syncData.bind(file);
    file.syncData = () => broken ? Promise.reject(new Error("Input/output error")) : syncData();
    return file;
  };
  await using sink = farEnd.sink({}, open);
  await sink.connect(NEVER);
  assert.deepEqual(summary(await deliver(sink, [cloudEvent(1)])), ["0 retryable"]);
  assert.deepEqual(await farEnd.received(), []);
  broken = false;
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  assertArrived(await farEnd.received(), [cloudEvent(1)]);
});

Deno.test("file keeps what it has settled of a batch when the rest fails", async () => {
  await using farEnd = await FileFarEnd.start();
  let files = 0;
  const open: OpenFile = async (path, openOptions) => {
    if (++files === 3) diskFull();
    return await Deno.open(path, openOptions);
  };
  await using sink = farEnd.sink({ maxBytes: 1000 }, open);
  await sink.connect(NEVER);
  const batch = cloudEvents(10, 2);
  const failed = await deliver(sink, batch);
  assert(failed.length > 0 && failed.length < 10, `${failed.length} failed`);
  assert.deepEqual(failed.map(({ index }) => index), batch.map((_, index) => index).slice(-failed.length));
  assertArrived(await farEnd.received(), batch.slice(0, -failed.length));
  assert.deepEqual(await deliver(sink, batch.slice(-failed.length)), []);
  assertArrived(await farEnd.received(), batch);
});

Deno.test("file has every event that it settled, whole and in order, after its process was killed", async () => {
  const program = `
    import { createSink } from "./sinks/file/mod.ts";
    import { cloudEvents } from "./tests/support/cloud_events.ts";
    const context = { name: "Archive", baseDirectory: Deno.args[0], log: { info() {}, warn() {} } };
    const sink = createSink({ path: "events.ndjson", maxBytes: 200_000 }, context);
    const signal = new AbortController().signal;
    await sink.connect(signal);
    for (let first = 0;; first += 50) {
      const failed = await sink.deliver(cloudEvents(50, 50, first), signal);
      if (failed.length > 0) throw failed[0].error;
      Deno.stdout.writeSync(new TextEncoder().encode((first + 50) + "\\n"));
    }
  `;
  await using farEnd = await FileFarEnd.start();
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program, farEnd.folder.path],
    cwd: inRepository("."),
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let said = "";
  let settled = 0;
  let isKilled = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += chunk;
    settled = Math.max(0, ...said.split("\n").slice(0, -1).map(Number));
    if (settled < 3000 || isKilled) continue;
    child.kill("SIGKILL");
    isKilled = true;
  }
  await child.status;

  await using sink = farEnd.sink();
  await sink.connect(NEVER);
  const ids = (await farEnd.received()).map(({ attributes }) => attributes.sequence);
  assert(settled >= 3000 && ids.length >= settled, `${settled} were settled, ${ids.length} are there`);
  assert.deepEqual(ids, cloudEvents(ids.length).map(({ sequence }) => sequence));
});
