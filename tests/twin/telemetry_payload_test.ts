import assert from "node:assert/strict";
import fc from "fast-check";
import type { Log } from "../../src/observe/log.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { ReplayGuard } from "../../src/twin/replay_guard.ts";
import { readTelemetry } from "../../src/twin/telemetry_payload.ts";
import type { Telemetry } from "../../src/twin/twin_change.ts";
import { LogRecorder } from "../support/log_recorder.ts";
import {
  contains,
  inserted,
  message,
  type Step,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
const prefix = "digitaltwins_telemetry";
const least = { digitalTwinId: "room", messageId: "m-1", graphName: "digitaltwins" };

const payload = (more: object = {}) => JSON.stringify({ ...least, ...more });
const sent = (more: object = {}, transactional = true) => message(prefix, payload(more), transactional);

/** What is read, the body as text. */
function read(text: string | Uint8Array): unknown {
  const read = readTelemetry(text);
  return "fault" in read ? read : { ...read, body: `${read.body}` };
}

Deno.test("a payload as AgeDigitalTwins writes it is read whole", () => {
  const text = '{"digitalTwinId":"crater","componentName":"deepest","messageId":"0b9c","timestamp":' +
    '"2026-01-01T12:00:00.1234567Z","eventType":"ComponentTelemetry","graphName":"moon",' +
    '"telemetry":{"depth":22.0,"big":9007199254740993},"modelId":"dtmi:crater;1"}';
  const expected = {
    graph: "moon",
    twinId: "crater",
    messageId: "0b9c",
    component: "deepest",
    modelId: "dtmi:crater;1",
    timestamp: "2026-01-01T12:00:00.1234567Z",
    body: '{"depth":22.0,"big":9007199254740993}',
  };
  assert.deepEqual(read(text), expected);
  assert.deepEqual(read(new TextEncoder().encode(text)), expected);
});

Deno.test("the body is any JSON as it is written; without one, or with null, it is the whole payload", () => {
  for (const body of ["1.50", '"hot"', "[1, 2]", "true", '{ "a" : null }']) {
    const text = `{"digitalTwinId":"room","messageId":"m-1","graphName":"g","telemetry":${body}}`;
    assert.equal((read(text) as { body: string }).body, body);
  }
  for (const text of [payload(), payload({ telemetry: null }), payload({ level: 7 })]) {
    assert.equal((read(text) as { body: string }).body, text);
  }
});

Deno.test("optional members that are null or empty count as left out", () => {
  const text = payload({ componentName: null, modelId: "", timestamp: null, eventType: 7, telemetry: 1 });
  assert.deepEqual(read(text), { graph: "digitaltwins", twinId: "room", messageId: "m-1", body: "1" });
});

Deno.test("what is wrong with a payload is told by kind and member", () => {
  for (
    const [text, expected] of [
      ["", { fault: "no_json" }],
      ["{", { fault: "no_json" }],
      ["\uFEFF{}", { fault: "no_json" }],
      ["[]", { fault: "no_object" }],
      ["null", { fault: "no_object" }],
      ["{}", { fault: "missing_member", member: "digitalTwinId" }],
      [payload({ digitalTwinId: "" }), { fault: "missing_member", member: "digitalTwinId" }],
      [payload({ messageId: null }), { fault: "missing_member", member: "messageId" }],
      [payload({ graphName: undefined }), { fault: "missing_member", member: "graphName" }],
      [payload({ digitalTwinId: 7 }), { fault: "wrong_member", member: "digitalTwinId" }],
      [payload({ componentName: {} }), { fault: "wrong_member", member: "componentName" }],
      [payload({ modelId: ["x"] }), { fault: "wrong_member", member: "modelId" }],
      [payload({ timestamp: 1 }), { fault: "wrong_member", member: "timestamp" }],
    ] as const
  ) assert.deepEqual(read(text), expected, text);
  assert.deepEqual(read(new Uint8Array([0x7b, 0xff, 0x7d])), { fault: "not_utf8" });
});

Deno.test("half a surrogate pair in a name becomes U+FFFD", () => {
  const text = '{"digitalTwinId":"a\\ud800","messageId":"m","graphName":"g","telemetry":1}';
  assert.equal((read(text) as { twinId: string }).twinId, "a\uFFFD");
});

Deno.test("no payload throws, and what is read is what JSON.parse reads", () => {
  const value = fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue(), fc.constant(undefined));
  const member = fc.constantFrom(
    "digitalTwinId",
    "messageId",
    "graphName",
    "componentName",
    "modelId",
    "timestamp",
    "telemetry",
    "eventType",
  );
  const almost = fc.dictionary(member, value).map((members) => JSON.stringify({ ...least, ...members }));
  const cut = fc.tuple(almost, fc.nat()).map(([text, at]) => text.slice(0, at % (text.length + 1)));
  const texts = fc.oneof(almost, cut, fc.string({ unit: "binary" }), fc.json());
  fc.assert(
    fc.property(fc.oneof(texts, fc.uint8Array()), (input) => {
      const read = readTelemetry(input);
      if ("fault" in read) return;
      const parsed = JSON.parse(typeof input === "string" ? input : new TextDecoder().decode(input));
      assert.deepEqual(
        [read.twinId, read.messageId, read.graph],
        [parsed.digitalTwinId, parsed.messageId, parsed.graphName].map((name: string) => name.toWellFormed()),
      );
      assert.deepEqual(JSON.parse(`${read.body}`), parsed.telemetry ?? parsed);
    }),
    { seed, numRuns: 3000 },
  );
});

Deno.test("telemetry has the place of its message, and the trace of its transaction", async () => {
  const trace = "00-2aa957558db348f387ef704b37631a1d-00f067aa0ba902b7-01";
  const { items } = await twinOutcome(
    transaction([inserted(Twin, 1, { $dtId: "a", n: 1 }), message("traceparent", trace), sent()], {
      commitLsn: 99n,
    }),
  );
  const telemetry = items.find((item) => item.kind === "telemetry");
  assert.deepEqual(telemetry?.position, { commitLsn: 99n, ordinal: 2 });
  assert.equal(telemetry?.traceparent, trace);
});

Deno.test("telemetry outside of a transaction has its record's last byte for its place, and no trace", async () => {
  const step = sent({}, false)(0);
  if (step.kind !== "message") throw new Error("Cannot send it: it is no message");
  const noon = Date.UTC(2026, 0, 1, 12);
  const { items } = await twinOutcome([
    ...transaction([message("traceparent", "00-2aa957558db348f387ef704b37631a1d-00f067aa0ba902b7-01")]),
    { ...step, message: { ...step.message, lsn: 500n } },
    { kind: "settle", lsn: 500n, endsTransaction: false },
    // Its commit begins where the message's record ends.
    ...transaction([inserted(Twin, 1, { $dtId: "room", n: 1 })], { commitLsn: 500n }),
  ], { now: () => noon });
  const telemetry = items[1] as Telemetry;
  assert.deepEqual(telemetry.position, { commitLsn: 499n, ordinal: 0 });
  assert.equal(telemetry.transaction.commitTime, 820_584_000_000_000n);
  assert.equal("traceparent" in telemetry, false);

  const guard = new ReplayGuard();
  const admitted = () =>
    items.flatMap((item) => item.kind === "settle" ? [] : [guard.admits(item.transaction)]);
  assert.deepEqual(admitted(), [true, true], "the transaction is another than the message's");
  guard.restart(true);
  assert.deepEqual(admitted(), [false, false]);
});

Deno.test("a transaction with telemetry that was cut short goes on where it was", async () => {
  const { items } = await twinOutcome(transaction([sent({ messageId: "1" }), sent({ messageId: "2" })]));
  const again = await twinOutcome(transaction([sent({ messageId: "1" }), sent({ messageId: "2" })]));
  const guard = new ReplayGuard();
  const [first] = items as readonly Telemetry[];
  assert(first && guard.admits(first.transaction));
  guard.restart(true);
  const passed = again.items.filter((item) => item.kind === "telemetry" && guard.admits(item.transaction));
  assert.deepEqual(passed.map((item) => item.kind === "telemetry" && item.messageId), ["2"]);
});

async function linesOf(...steps: readonly Step[]): Promise<readonly string[]> {
  return (await twinOutcome(transaction(steps))).lines.slice(0, -1);
}

Deno.test("a stub and the newest run of telemetry's twin go out before it; others wait on", async () => {
  const room = (more: object = {}) => ({ $dtId: "room", ...more });
  const hall = (more: object = {}) => ({ $dtId: "hall", ...more });
  assert.deepEqual(
    await linesOf(
      inserted(Twin, 1, room()),
      inserted(Twin, 2, hall()),
      sent({ telemetry: 1 }),
      updated(Twin, 1, room(), room({ n: 1 })),
      updated(Twin, 2, hall(), hall({ n: 1 })),
    ),
    [
      'create twin room @0 {"$dtId":"room"}',
      "telemetry room @2 1",
      'update twin room @3 {"$dtId":"room"} → {"$dtId":"room","n":1}',
      'create twin hall @4 {"$dtId":"hall","n":1}',
    ],
  );
  assert.deepEqual(
    await linesOf(
      updated(Twin, 1, room({ n: 1 }), room({ n: 2 })),
      sent({ telemetry: 1 }),
      updated(Twin, 1, room({ n: 2 }), room({ n: 3 })),
      sent({ telemetry: 2, digitalTwinId: "hall" }),
      updated(Twin, 1, room({ n: 3 }), room({ n: 4 })),
    ),
    [
      'update twin room @0 {"$dtId":"room","n":1} → {"$dtId":"room","n":2}',
      "telemetry room @1 1",
      "telemetry hall @3 2",
      'update twin room @4 {"$dtId":"room","n":2} → {"$dtId":"room","n":4}',
    ],
  );
  const link = { $relationshipId: "r", $sourceId: "room", n: 1 };
  assert.deepEqual(await linesOf(inserted(contains, 1, link), sent({ telemetry: 1 })), [
    `create relationship room/r @0 ${JSON.stringify(link)}`,
    "telemetry room @1 1",
  ]);
});

Deno.test("telemetry of another graph lets nothing go", async () => {
  const stub = { $dtId: "room" };
  assert.deepEqual(
    await linesOf(
      inserted(Twin, 1, stub),
      sent({ graphName: "other", telemetry: 1 }),
      updated(Twin, 1, stub, { ...stub, n: 1 }),
    ),
    ["telemetry room @1 1", 'create twin room @2 {"$dtId":"room","n":1}'],
  );
});

Deno.test("what makes no event is counted by reason and told with its place, never with its values", async () => {
  const metrics = new Metrics();
  const told: string[] = [];
  const log: Log = {
    ...new LogRecorder(),
    warn: (message, fields) => void told.push(JSON.stringify({ message, ...fields })),
  };
  const steps = [
    message(prefix, "secret"),
    message(prefix, '"secret"'),
    sent({ messageId: "" }),
    sent({ graphName: "elsewhere" }),
    ...Array.from({ length: 9 }, () => message(prefix, "secret")),
    sent(),
  ];
  const { items } = await twinOutcome(transaction(steps), { metrics, log, graphs: ["digitaltwins"] });
  assert.equal(items.filter(({ kind }) => kind === "telemetry").length, 1);
  const { values } = await metrics.ignoredTelemetry.get();
  assert.deepEqual(Object.fromEntries(values.map(({ labels, value }) => [labels.reason, value])), {
    no_json: 10,
    no_object: 1,
    missing_member: 1,
    other_graph: 1,
  });
  assert.equal((await metrics.telemetry.get()).values[0]?.value, 1);
  assert.deepEqual(told, [
    '{"message":"Cannot read telemetry: it is no JSON","lsn":"0/1","times":1}',
    '{"message":"Cannot read telemetry: it is no JSON object","lsn":"0/1","times":1}',
    '{"message":"Cannot make an event of telemetry: a member is missing or empty","member":"messageId",' +
    '"lsn":"0/1","times":1}',
    '{"message":"Cannot read telemetry: it is no JSON","lsn":"0/1","times":10}',
  ]);
});
