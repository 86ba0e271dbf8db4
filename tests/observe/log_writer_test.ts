import assert from "node:assert/strict";
import { LogWriter } from "../../src/observe/log_writer.ts";

/** A far end that takes bytes only when it is told to. */
class Gate {
  readonly taken: string[] = [];
  #open = Promise.withResolvers<void>();
  #broken = false;

  async write(bytes: Uint8Array): Promise<number> {
    await this.#open.promise;
    if (this.#broken) throw new Deno.errors.BrokenPipe();
    const some = bytes.subarray(0, Math.min(bytes.length, 1_000));
    this.taken.push(new TextDecoder().decode(some));
    return some.length;
  }

  open(): void {
    this.#open.resolve();
  }

  break(): void {
    this.#broken = true;
    this.open();
  }
}

Deno.test("writes everything in order, in as many pieces as the far end wants", async () => {
  const gate = new Gate();
  const writer = new LogWriter(gate, () => "");
  const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}\n`);
  for (const line of lines) writer.push(line);
  gate.open();
  await writer.flush();
  assert.equal(gate.taken.join(""), lines.join(""));
});

Deno.test("while nobody reads, drops what is too much, and tells it later", async () => {
  const gate = new Gate();
  const writer = new LogWriter(gate, (count) => `dropped ${count}\n`);
  const line = `${"x".repeat(1_023)}\n`;
  for (let index = 0; index < 2_000; index++) writer.push(line);
  gate.open();
  await writer.flush();
  const output = gate.taken.join("");
  const kept = output.split(line).length - 1;
  assert.equal(kept, 1_024);
  assert(output.endsWith(`dropped ${2_000 - kept}\n`));
  writer.push("after\n");
  await writer.flush();
  assert(gate.taken.join("").endsWith("after\n"));
});

Deno.test("a closed pipe makes nobody fail", async () => {
  const gate = new Gate();
  const writer = new LogWriter(gate, () => "");
  writer.push("lost\n");
  gate.break();
  await writer.flush();
  writer.push("lost too\n");
  await writer.flush();
  assert.deepEqual(gate.taken, []);
});
