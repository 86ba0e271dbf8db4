import assert from "node:assert/strict";
import { join } from "node:path";
import type { DeadLetter } from "../../src/deliver/dead_letter.ts";
import { DeadLetterFile } from "../../src/deliver/dead_letter_file.ts";
import { routerEvent } from "../support/router_events.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";

Deno.test("writes one JSON object a line, with the whole event, its numbers digit for digit", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  const file = new DeadLetterFile(path);
  await file.write([letter(1, '{"big":9007199254740993,"t":22.0}'), letter(2)]);
  await file.write([letter(3)]);
  const lines = (await Deno.readTextFile(path)).split("\n");
  assert.equal(lines.length, 4);
  assert.equal(lines[3], "");
  const { event, ...about } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(about, {
    sink: "Hook",
    route: "hot-rooms",
    reason: "413 “too large”",
    kind: "rejected",
    attempts: 3,
    firstTime: "2026-01-01T00:00:00.000Z",
    lastTime: "2026-01-01T00:00:01.500Z",
  });
  assert.equal(event.specversion, "1.0");
  assert.equal(event.id, "a-1");
  assert.match(lines[0] ?? "", /"data":\{"big":9007199254740993,"t":22\.0\}\}\}$/);
  assert.deepEqual(lines.slice(1, 3).map((line) => JSON.parse(line).event.id), ["a-2", "a-3"]);
});

Deno.test("a probe says what is in the way of letters, and leaves nothing behind", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  await new DeadLetterFile(path).probe();
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  await Deno.writeTextFile(path, "{}\n");
  await new DeadLetterFile(path).probe();
  assert.equal(await Deno.readTextFile(path), "{}\n");
  for (const wrong of [folder.path, join(path, "x"), join(folder.path, "missing", "x")]) {
    await assert.rejects(new DeadLetterFile(wrong).probe(), /^Error: Cannot write dead letters to '/, wrong);
  }
});

Deno.test("a body with line breaks stays on its line", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  await new DeadLetterFile(path).write([letter(1, '{\n  "a":\r\n 1\n}')]);
  const lines = (await Deno.readTextFile(path)).split("\n");
  assert.equal(lines.length, 2);
  assert.deepEqual(JSON.parse(lines[0] ?? "").event.data, { a: 1 });
});

Deno.test("begins a new line after one that a crash cut off", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  await Deno.writeTextFile(path, '{"sink":"Ho');
  await new DeadLetterFile(path).write([letter(1)]);
  const lines = (await Deno.readTextFile(path)).split("\n");
  assert.equal(lines[0], '{"sink":"Ho');
  assert.equal(JSON.parse(lines[1] ?? "").event.id, "a-1");
});

Deno.test("several writers lose nothing of each other's letters", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  const writers = Array.from({ length: 4 }, () => new DeadLetterFile(path));
  await Promise.all(writers.map(async (writer, index) => {
    for (let n = 0; n < 20; n++) await writer.write([letter(index * 20 + n)]);
  }));
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
  const ids = lines.map((line) => JSON.parse(line).event.id as string);
  assert.equal(new Set(ids).size, 80);
});

Deno.test("only its owner may read it, since it has the events' bodies", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  await new DeadLetterFile(path).write([letter(1)]);
  assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
});

Deno.test("fails, naming the path, where there is no folder, and works once there is", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "missing", "dead.ndjson");
  const file = new DeadLetterFile(path);
  await assert.rejects(file.write([letter(1)]), (error: Error) => {
    assert.match(error.message, /^Cannot write dead letters to '.*dead\.ndjson': /);
    assert(error.cause instanceof Deno.errors.NotFound);
    return true;
  });
  await Deno.mkdir(join(folder.path, "missing"));
  await file.write([letter(1)]);
  assert.equal((await Deno.readTextFile(path)).split("\n").length, 2);
});

Deno.test("what was half written when the disk got full is taken back", async () => {
  await using folder = await TemporaryFolder.make();
  const path = join(folder.path, "dead.ndjson");
  const file = new DeadLetterFile(path);
  await file.write([letter(1)]);
  const { write } = Deno.FsFile.prototype;
  try {
    Deno.FsFile.prototype.write = async function (bytes) {
      await write.call(this, bytes.subarray(0, 10));
      throw new Error("No space left on device (os error 28)");
    };
    await assert.rejects(file.write([letter(2)]), /dead\.ndjson': No space left on device/);
  } finally {
    Deno.FsFile.prototype.write = write;
  }
  await file.write([letter(3)]);
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).event.id), ["a-1", "a-3"]);
});

function letter(n: number, data = `{"n":${n}}`): DeadLetter {
  return {
    sink: "Hook",
    route: "hot-rooms",
    reason: "413 “too large”",
    kind: "rejected",
    attempts: 3,
    firstTime: Date.UTC(2026, 0, 1),
    lastTime: Date.UTC(2026, 0, 1, 0, 0, 1, 500),
    event: routerEvent("a", n, { data }).event,
  };
}
