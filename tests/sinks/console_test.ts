import assert from "node:assert/strict";
import { ConsoleSink, type Output } from "../../sinks/console/mod.ts";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import { hardEvents } from "../support/hard_events.ts";
import { readStructuredEvent, type ReceivedEvent } from "../support/received_event.ts";
import { inRepository } from "../support/repository.ts";
import { deliver, type FarEnd, summary, testSink } from "../support/sink_conformance.ts";

/** A pipe that takes a little at a time. */
class ScriptedOutput implements Output, FarEnd {
  readonly #chunks: Uint8Array[] = [];
  readonly #stalled = Promise.withResolvers<number>();
  #until: Promise<void> | undefined;
  /** What the next writes throw. */
  readonly errors: unknown[] = [];

  async write(bytes: Uint8Array): Promise<number> {
    if (this.errors.length > 0) throw this.errors.shift();
    const taken = bytes.slice(0, 1000);
    if (this.#until) {
      this.#stalled.resolve(new TextDecoder().decode(taken).split("\n").length);
      await this.#until;
    }
    this.#chunks.push(taken);
    return taken.length;
  }

  terminal(): undefined {}

  async text(): Promise<string> {
    return await new Blob(this.#chunks as BlobPart[]).text();
  }

  /** Every whole line; an abort may have cut one. */
  async received(): Promise<readonly ReceivedEvent[]> {
    const lines = (await this.text()).split("\n").filter((line) => line.endsWith("}"));
    return lines.map((line) => {
      const { attributes, data } = readStructuredEvent(line);
      // The same string to JSON, and harmless to a terminal.
      const unescaped = data.replace(
        /\\u00([789][0-9a-f])/g,
        (_, hex) => String.fromCharCode(parseInt(hex, 16)),
      );
      return { attributes, data: unescaped };
    });
  }

  stall(until: Promise<void>): void {
    this.#until = until;
  }

  stalled(): Promise<number> {
    return this.#stalled.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

testSink({
  name: "console",
  start: () => Promise.resolve(new ScriptedOutput()),
  create: (output) => new ConsoleSink({ pretty: false }, output),
});

Deno.test("console writes one JSON event a line", async () => {
  const output = new ScriptedOutput();
  await using sink = new ConsoleSink({ pretty: false }, output);
  assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
  const lines = (await output.text()).split("\n");
  assert.equal(lines.pop(), "");
  assert.deepEqual(lines.map((line) => JSON.parse(line).subject), ["room-0", "room-1", "room-2"]);
});

Deno.test("console begins a new line after one that was cut", async () => {
  const output = new ScriptedOutput();
  await using sink = new ConsoleSink({ pretty: false }, output);
  const large = cloudEvent(1, { data: `{"text":"${"x".repeat(5000)}"}` });
  const write = output.write.bind(output);
  let writes = 0;
  output.write = (bytes) => {
    if (++writes > 1) throw Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
    return write(bytes);
  };
  assert.deepEqual(summary(await deliver(sink, [large])), ["0 retryable"]);
  output.write = write;
  assert.deepEqual(await deliver(sink, [cloudEvent(2)]), []);
  const lines = (await output.text()).split("\n");
  assert.equal(lines.length, 3);
  assert.equal(JSON.parse(lines[1] ?? "").subject, "room-2");
});

Deno.test("console waits while a pipe that does not block is full", async () => {
  const output = new ScriptedOutput();
  await using sink = new ConsoleSink({ pretty: false }, output);
  output.errors.push(new Deno.errors.WouldBlock(), new Deno.errors.WouldBlock());
  assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
  assert.equal((await output.received()).length, 3);
});

Deno.test("console is done for once nobody reads", async () => {
  for (
    const error of [new Deno.errors.BrokenPipe("Broken pipe"), new Deno.errors.BadResource("Bad resource")]
  ) {
    const output = new ScriptedOutput();
    await using sink = new ConsoleSink({ pretty: false }, output);
    output.errors.push(error);
    assert.deepEqual(summary(await deliver(sink, cloudEvents(2))), ["0 fatal", "1 fatal"]);
  }
});

Deno.test("console notices that the program behind a real pipe has ended", async () => {
  const program = `
    import { createSink } from "./sinks/console/mod.ts";
    import { cloudEvents } from "./tests/support/cloud_events.ts";
    const sink = createSink({ pretty: false }, { name: "Screen", baseDirectory: ".", log: { info() {}, warn() {} } });
    const signal = new AbortController().signal;
    await sink.deliver(cloudEvents(1), signal);
    await Deno.stdin.read(new Uint8Array(1)); // until the pipe is closed
    try {
      await sink.deliver(cloudEvents(1), signal);
    } catch (error) {
      Deno.stderr.writeSync(new TextEncoder().encode(\`\${error.kind}: \${error.message}\`));
    }
  `;
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program],
    cwd: inRepository("."),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(JSON.parse(new TextDecoder().decode(value)).subject, "room-0");
  await reader.cancel();
  await child.stdin.close();
  const said = await new Response(child.stderr).text();
  assert.equal(said, "fatal: Cannot write to standard output: nobody reads it any more");
  await child.status;
});

Deno.test("console writes JSON that drives no terminal either", async () => {
  const output = new ScriptedOutput();
  await using sink = new ConsoleSink({ pretty: false }, output);
  await deliver(sink, hardEvents().map(([, event]) => event));
  assert.doesNotMatch((await output.text()).replaceAll("\n", ""), /\p{Cc}/u);
});
