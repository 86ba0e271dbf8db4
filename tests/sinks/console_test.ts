import assert from "node:assert/strict";
import fc from "fast-check";
import { ConsoleSink, type Output } from "../../sinks/console/mod.ts";
import { prettyLine } from "../../sinks/console/pretty_line.ts";
import { columnsOf } from "../../sinks/console/terminal_text.ts";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
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

const PLAIN = { color: false, columns: 120 };

/** A line for people without its time. */
function pretty(event: Partial<CloudEvent>, style = PLAIN): string {
  const line = prettyLine(cloudEvent(1, { subject: "room-101", ...event }), style);
  assert.match(line, /^(\p{Cc}\[2m)?\d\d:\d\d:\d\d\.123/u);
  return line.replace(/^(\p{Cc}\[2m)?[\d:.]+(\p{Cc}\[0m)? */u, "");
}

function named(type: string, data: string, subject = "room-101"): Partial<CloudEvent> {
  return { type: `Konnektr.DigitalTwins.${type}`, data, subject };
}

const TWIN =
  '{"$dtId":"room-101","$etag":"W/1","$metadata":{"$model":"dtmi:example:Room;1"},"Temperature":21.50,' +
  '"Name":"Kitchen","dims":{"h":4.5,"w":3.0}}';
const RELATIONSHIP = '{"$relationshipId":"rel-9","$sourceId":"floor-1","$targetId":"room-101",' +
  '"$relationshipName":"contains","since":2026}';

const LINES: [Partial<CloudEvent>, string][] = [
  [
    named("Twin.Create", TWIN),
    '+ Twin.Create          room-101          Room;1  Temperature = 21.50  Name = "Kitchen"  +1 more',
  ],
  [named("Twin.Delete", '{"$dtId":"room-101"}'), "- Twin.Delete          room-101"],
  [
    named(
      "Twin.Update",
      '{"modelId":"dtmi:example:Room;1","patch":[{"op":"replace","path":"/Temperature","value":22.0}]}',
    ),
    "~ Twin.Update          room-101          /Temperature = 22.0",
  ],
  [
    named(
      "Twin.Update",
      '{"patch":[{"op":"add","path":"/Busy","value":true},{"op":"remove","path":"/Name"}]}',
    ),
    "~ Twin.Update          room-101          +/Busy = true  -/Name",
  ],
  [
    named("Relationship.Create", RELATIONSHIP, "floor-1/relationships/rel-9"),
    "+ Relationship.Create  floor-1 / rel-9   contains → room-101  since = 2026",
  ],
  [
    named(
      "Model.Create",
      '{"id":"dtmi:x;1","model":{"contents":[{"name":"Temperature"},{"name":"feeds"}]}}',
      "dtmi:x;1",
    ),
    "+ Model.Create         dtmi:x;1          Temperature  feeds",
  ],
  [
    named(
      "Property.Event",
      '{"twinId":"room-101","propertyName":"Temperature","propertyValue":22.0,"operation":"Replace"}',
    ),
    "~ Property.Event       room-101          Temperature = 22.0",
  ],
  [
    named("Property.Event", '{"propertyName":"Temperature","propertyValue":null,"operation":"Remove"}'),
    "- Property.Event       room-101          -Temperature",
  ],
  [
    named("Twin.Lifecycle", '{"twinId":"room-101","action":"Create","modelId":"dtmi:example:Room;1"}'),
    "+ Twin.Lifecycle       room-101          Room;1",
  ],
  [
    named("Telemetry", '{"reading":9007199254740993}'),
    "* Telemetry            room-101          reading = 9007199254740993",
  ],
  [
    named("Router.Gap", '{"reason":"truncate","graph":"digitaltwins"}', "digitaltwins"),
    '! Router.Gap           digitaltwins      reason = "truncate"  graph = "digitaltwins"',
  ],
  [{ type: "Contoso.Twin.Changed", data: "[1,2.0]" }, "* Twin.Changed         room-101          [1,2.0]"],
];

for (const [event, line] of LINES) {
  Deno.test(`console shows people ${event.type} with ${event.data}`, () => {
    assert.equal(pretty(event), line);
  });
}

Deno.test("console shows the local time", () => {
  const time = "2026-07-01T22:30:15.123456Z";
  const date = new Date(time);
  const [hours, minutes] = [date.getHours(), date.getMinutes()].map((number) =>
    String(number).padStart(2, "0")
  );
  assert(prettyLine(cloudEvent(1, { time }), PLAIN).startsWith(`${hours}:${minutes}:15.123  `));
});

Deno.test("console shortens what does not fit, and counts wide characters as two columns", () => {
  const event = named("Twin.Create", TWIN);
  assert.equal(
    pretty(event, { color: false, columns: 85 }),
    "+ Twin.Create          room-101          Room;1  +3 more",
  );
  const wide = named(
    "Twin.Update",
    '{"patch":[{"op":"replace","path":"/x","value":"会議室会議室会議室会議室会議室"}]}',
  );
  assert.equal(
    pretty(wide, { color: false, columns: 76 }),
    '~ Twin.Update          room-101          /x = "会議室会議室会…',
  );
});

Deno.test("console colours lines on a terminal", () => {
  const line = pretty(named("Twin.Update", '{"patch":[{"op":"replace","path":"/x","value":22.0}]}'), {
    color: true,
    columns: 100,
  });
  assert(line.includes("\x1b[33m~\x1b[0m"));
  assert(line.includes("\x1b[36m22.0\x1b[0m"));
});

Deno.test("console lets no event drive the terminal", async () => {
  const nasty = fc.string({
    unit: fc.oneof(
      fc.constantFrom("\x1b", "\x07", "\x9b", "\r", "\n", "\u202e", "会", "😀", "e\u0301"),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
  });
  const body = fc.oneof(
    fc.record({
      patch: fc.array(
        fc.record({ op: fc.constantFrom("add", "replace", "remove"), path: nasty, value: nasty }),
      ),
    }),
    fc.dictionary(nasty, fc.oneof(nasty, fc.double(), fc.dictionary(nasty, nasty))),
    fc.record({ $relationshipId: nasty, $relationshipName: nasty, $targetId: nasty }),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(nasty, nasty, body, fc.integer({ min: 1, max: 200 }), (subject, type, data, columns) => {
      const event = cloudEvent(1, { subject, type, data: JSON.stringify(data) });
      const plain = prettyLine(event, { color: false, columns });
      assert.doesNotMatch(plain, /[\p{Cc}\p{Bidi_Control}]/u);
      assert(columnsOf(plain) <= columns);
      const colored = prettyLine(event, { color: true, columns });
      assert.doesNotMatch(colored.replace(/\p{Cc}\[\d+m/gu, ""), /[\p{Cc}\p{Bidi_Control}]/u);
    }),
    { seed: 20260101 },
  );

  const output = new ScriptedOutput();
  await using sink = new ConsoleSink({ pretty: false }, output);
  await deliver(sink, hardEvents().map(([, event]) => event));
  assert.doesNotMatch((await output.text()).replaceAll("\n", ""), /\p{Cc}/u);
});

Deno.test("console shows a body that is no JSON instead of failing", () => {
  assert.match(pretty({ data: "{torn" }), /"\{torn"$/);
});
