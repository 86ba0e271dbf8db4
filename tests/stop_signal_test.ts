import assert from "node:assert/strict";
import { inRepository } from "./support/repository.ts";
import { until } from "./support/until.ts";

/** A process that says when it is told to stop, and takes for ever to do it. */
const PROGRAM = `
  import { stopSignal } from "./src/stop_signal.ts";
  stopSignal().addEventListener("abort", () => {
    const toldAt = performance.now();
    addEventListener("unload", () => console.log("told again after", performance.now() - toldAt));
    console.log("stopping");
  });
  setInterval(() => {}, 1_000);
  console.log("ready");
`;

Deno.test("a signal that comes again at once, as Ctrl-C does, is one; a later one ends the process", async () => {
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", PROGRAM],
    cwd: inRepository(),
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let ended: Deno.CommandStatus | undefined;
  void child.status.then((status) => ended = status);
  let output = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) output += text;
  })();
  await until(() => output.includes("ready"), "the process to be ready");
  await until(() => {
    try {
      child.kill("SIGINT");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended, which its status is about to say
    }
    return ended !== undefined;
  }, "the process to end");
  await reading;
  assert.equal(ended?.code, 130);
  const [, ms] = /^ready\nstopping\ntold again after (\S+)\n$/.exec(output) ?? [];
  assert(Number(ms) > 400, output);
});
