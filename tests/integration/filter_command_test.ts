import assert from "node:assert/strict";
import { join } from "node:path";
import { inRepository } from "../support/repository.ts";
import { type CommandResult, runCommand } from "../support/run_command.ts";
import { startArguments } from "../support/start_task.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";

const lines = [
  `{"type": "A", "subject": "room", "data": {"x": 22.0, "big": 9007199254740993}}`,
  `  {"data":{"x":[1,2]},"type":"B","attempt":3}`,
  `{"type": "A", "data": null}`,
];

async function filter(text: string, ...expression: string[]): Promise<CommandResult> {
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, "events.ndjson");
  await Deno.writeTextFile(file, text);
  return await runCommand(["filter", ...expression, "--event", file]);
}

Deno.test("filter prints the events that match as they are written", async () => {
  const text = `\n${lines.join("\n\n")}`;
  assert.deepEqual(await filter(text, "type = 'A'"), {
    code: 0,
    stdout: `${lines[0]}\n${lines[2]}\n`,
    stderr: "",
  });
  assert.deepEqual(await filter(text, "$body.x = 22 AND $body.big > 9007199254740992"), {
    code: 0,
    stdout: `${lines[0]}\n`,
    stderr: "",
  });
  assert.equal((await filter(text, "attempt = 3 AND $body.x = 2")).stdout, `${lines[1]}\n`);
});

Deno.test("filter ends with 1 when nothing matches", async () => {
  assert.deepEqual(await filter(lines.join("\n"), "type = 'C'"), { code: 1, stdout: "", stderr: "" });
  assert.deepEqual(await filter("", "true"), { code: 1, stdout: "", stderr: "" });
});

Deno.test("filter reads one event that takes several lines, from standard input too", async () => {
  const event = `{\n  "type": "A",\n  "data": { "x": 22.0 }\n}`;
  assert.deepEqual(await filter(`\n${event}\n\n`, "$body.x = 22"), {
    code: 0,
    stdout: `${event}\n`,
    stderr: "",
  });
  for (const args of [["filter", "$body.x = 22"], ["filter", "$body.x = 22", "--event", "-"]]) {
    const command = new Deno.Command(Deno.execPath(), {
      args: startArguments(...args),
      cwd: inRepository("."),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = command.stdin.getWriter();
    await writer.write(new TextEncoder().encode(event));
    await writer.close();
    const { code, stdout } = await command.output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, `${event}\n`]);
  }
});

Deno.test("filter shows with a caret where a filter does not parse", async () => {
  assert.deepEqual(await filter("", "type = 'A'\nAND subject == 'x'"), {
    code: 2,
    stdout: "",
    stderr:
      `Cannot read the filter at column 24: expected =, !=, <, <=, >, >=, IN or NIN, found '=='; did you mean =?
  type = 'A' AND subject == 'x'
                         ^
`,
  });
});

Deno.test("filter understands CloudEvents SQL too", async () => {
  const text = lines.join("\n");
  assert.deepEqual(await filter(text, "--cesql", "type = 'B' AND attempt < 4"), {
    code: 0,
    stdout: `${lines[1]}\n`,
    stderr: "",
  });
  assert.deepEqual(await filter(text, "--cesql", "attempt = 4"), { code: 1, stdout: "", stderr: "" });
  assert.deepEqual(await filter(text, "--cesql", "type LIKE 'A%' AND subject IN ['room']"), {
    code: 2,
    stdout: "",
    stderr: `Cannot read the filter at column 31: expected '(', found '['; lists stand in parentheses
  type LIKE 'A%' AND subject IN ['room']
                                ^
`,
  });
  const both = await filter(text, "true", "--cesql", "TRUE");
  assert.equal(both.code, 2);
  assert.match(both.stderr, /^filter takes an expression or --cesql, not both/);
});

Deno.test("filter names the line of what is no event", async () => {
  const broken = await filter([lines[0], "", "{not JSON}", lines[2]].join("\n"), "type = 'A'");
  assert.deepEqual(broken, {
    code: 2,
    stdout: `${lines[0]}\n`,
    stderr: "Cannot read the event in line 3, column 2: it is no JSON\n",
  });
  assert.match((await filter("[]\n", "true")).stderr, /^Cannot read the event in line 1: it is no object\n$/);
  assert.match((await filter(`{\n "a": 1,\n}`, "true")).stderr, /in line 3, column 1: it is no JSON/);
});

Deno.test("filter says what is wrong with how it is called", async () => {
  const missing = await runCommand(["filter", "true", "--event", "/nowhere/events.ndjson"]);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /^Cannot read events from \/nowhere\/events\.ndjson: /);
  const none = await runCommand(["filter"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^filter needs an expression/);
  assert.match((await runCommand(["filter", "type", "=", "'x'"])).stderr, /^'=' is one word too many/);
});
