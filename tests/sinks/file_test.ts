import assert from "node:assert/strict";
import { join } from "node:path";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import { FileFarEnd } from "../support/file_far_end.ts";
import { assertArrived, deliver, failureOf, testSink } from "../support/sink_conformance.ts";

const NEVER = new AbortController().signal;

testSink({ name: "file", start: FileFarEnd.start, create: (farEnd) => farEnd.sink() });
testSink({
  name: "file (rotating)",
  start: FileFarEnd.start,
  create: (farEnd) => farEnd.sink({ maxBytes: "100KiB" }),
});

Deno.test("file makes the folder that it is to write in", async () => {
  await using farEnd = await FileFarEnd.start();
  await using sink = farEnd.sink({ path: "a/b/c.ndjson" });
  await sink.connect(NEVER);
  assert((await Deno.stat(join(farEnd.folder.path, "a/b/c.ndjson"))).isFile);
});

Deno.test("file appends to what is there", async () => {
  await using farEnd = await FileFarEnd.start();
  for (const number of [1, 2]) {
    await using sink = farEnd.sink();
    await sink.connect(NEVER);
    await deliver(sink, [cloudEvent(number)]);
  }
  assertArrived(await farEnd.received(), [cloudEvent(1), cloudEvent(2)]);
});

Deno.test("file becomes numbered files when it is full, none larger than asked, without losing or cutting a line", async () => {
  await using farEnd = await FileFarEnd.start();
  const sent = cloudEvents(100, 7);
  for (const first of [0, 50]) {
    await using sink = farEnd.sink({ maxBytes: 2000 });
    await sink.connect(NEVER);
    assert.deepEqual(await deliver(sink, sent.slice(first, first + 30)), []);
    assert.deepEqual(await deliver(sink, sent.slice(first + 30, first + 50)), []);
  }
  const files = await farEnd.files();
  assert(files.length > 10);
  assert.deepEqual(files.slice(0, 3), [
    "events.ndjson.000001",
    "events.ndjson.000002",
    "events.ndjson.000003",
  ]);
  for (const name of files) {
    const { size } = await Deno.stat(join(farEnd.folder.path, name));
    assert(size <= 2000 && (size > 1500 || name === files.at(-1)), `${name} has ${size} bytes`);
  }
  assert.deepEqual(
    (await farEnd.received()).map(({ attributes }) => attributes.id),
    sent.map(({ id }) => id),
  );
});

Deno.test("file gives a line that is longer than a file may be one for itself", async () => {
  await using farEnd = await FileFarEnd.start();
  await using sink = farEnd.sink({ maxBytes: 1000 });
  await sink.connect(NEVER);
  const large = cloudEvent(2, { data: `"${"x".repeat(3000)}"` });
  assert.deepEqual(await deliver(sink, [cloudEvent(1), large, cloudEvent(3)]), []);
  assert.equal((await farEnd.files()).length, 3);
  assertArrived(await farEnd.received(), [cloudEvent(1), large, cloudEvent(3)]);
});

Deno.test("file keeps as many full files as asked, the newest", async () => {
  await using farEnd = await FileFarEnd.start();
  await using sink = farEnd.sink({ maxBytes: 1000, maxFiles: 2 });
  await sink.connect(NEVER);
  await Deno.writeTextFile(`${farEnd.path}.backup`, "not ours\n");
  for (const event of cloudEvents(20)) await deliver(sink, [event]);
  assert.equal(await Deno.readTextFile(`${farEnd.path}.backup`), "not ours\n");
  await Deno.remove(`${farEnd.path}.backup`);
  assert.equal((await farEnd.files()).length, 3);
  const kept = await farEnd.received();
  assertArrived(kept, cloudEvents(20).slice(-kept.length));
});

Deno.test("file starts a new one when somebody has moved or deleted it", async () => {
  await using farEnd = await FileFarEnd.start();
  await using sink = farEnd.sink();
  await sink.connect(NEVER);
  await deliver(sink, [cloudEvent(1)]);
  await Deno.rename(farEnd.path, `${farEnd.path}.000000`);
  await deliver(sink, [cloudEvent(2)]);
  assertArrived(await farEnd.received(), [cloudEvent(1), cloudEvent(2)]);
  await Deno.remove(farEnd.path);
  assert.deepEqual(await deliver(sink, [cloudEvent(3)]), []);
  assertArrived(await farEnd.received(), [cloudEvent(1), cloudEvent(3)]);
});

Deno.test("file is written by one sink at a time", async () => {
  await using farEnd = await FileFarEnd.start();
  await using second = farEnd.sink();
  {
    await using first = farEnd.sink();
    await first.connect(NEVER);
    const error = await failureOf(second.connect(NEVER));
    assert.equal(error.kind, "retryable");
    assert.match(error.message, /another sink or router writes to it/);
  }
  await second.connect(NEVER);
});

Deno.test("file says what is wrong with its path", async () => {
  await using farEnd = await FileFarEnd.start();
  await Deno.writeTextFile(farEnd.path, "");
  await Deno.mkdir(join(farEnd.folder.path, "folder"));
  for (const path of ["folder", "events.ndjson/x", "events.ndjson/x/y"]) {
    await using sink = farEnd.sink({ path });
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "fatal", error.message);
    assert(error.message.startsWith(`Cannot open ${join(farEnd.folder.path, path)}: `), error.message);
  }
});
