import assert from "node:assert/strict";
import { options } from "../../sinks/kusto/config.ts";
import { createSink } from "../../sinks/kusto/mod.ts";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import type { Sink } from "../../src/sink/sink.ts";
import type { SinkErrorKind } from "../../src/sink/sink_error.ts";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import { property, twinCreated } from "../support/history_events.ts";
import { KustoFarEnd } from "../support/kusto_far_end.ts";
import { KustoService, SECRET } from "../support/kusto_service.ts";
import { loadConfig, toldBy } from "../support/load_text.ts";
import { assertArrived, deliver, failureOf, summary, testSink } from "../support/sink_conformance.ts";

const NEVER = new AbortController().signal;
const CONTEXT = { name: "Adx", baseDirectory: ".", log: { info() {}, warn() {} } };
const STREAMING = { ingestion: "streaming" };

/** Rows that are streamed are answered for. */
class StreamingFarEnd extends KustoFarEnd {
  refuse(event: CloudEvent, kind: SinkErrorKind | undefined): void {
    if (kind) this.service.refused.set(event.id, kind);
    else this.service.refused.delete(event.id);
  }
}

testSink({
  name: "kusto (streaming)",
  answersForAll: true,
  start: async () => new StreamingFarEnd(await KustoService.open()),
  create: (farEnd) => farEnd.sink(STREAMING),
  createUnreachable: () =>
    createSink(
      options.parse({
        ingestionUri: "http://127.0.0.1:2",
        database: "d",
        auth: { type: "none" },
        ...STREAMING,
      }),
      CONTEXT,
    ),
});

/** A connected sink that streams, and where it does. */
async function connected(other: Record<string, unknown> = {}) {
  const stack = new AsyncDisposableStack();
  const farEnd = stack.use(await KustoFarEnd.start());
  const sink = stack.use(farEnd.sink({ ...STREAMING, ...other }));
  await sink.connect(NEVER);
  return { farEnd, service: farEnd.service, sink, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("kusto makes each table and its mapping, by commands that read well", async () => {
  await using far = await connected({ rawTable: "Odd 'n' ends" });
  assert.deepEqual(
    far.service.commands.filter((each) => each.startsWith(".create-merge")),
    [
      ".create-merge table AdtTwinLifeCycleEvents (TwinId:string, Action:string, TimeStamp:datetime, " +
      "ServiceId:string, ModelId:string)",
      ".create-merge table AdtRelationshipLifeCycleEvents (RelationshipId:string, Name:string, Action:string, " +
      "TimeStamp:datetime, ServiceId:string, Source:string, Target:string)",
      ".create-merge table AdtPropertyEvents (TimeStamp:datetime, SourceTimeStamp:datetime, ServiceId:string, " +
      "Id:string, ModelId:string, Key:string, Value:dynamic, RelationshipTarget:string, RelationshipId:string, " +
      "Action:string, UpdatedBy:string)",
      ".create-merge table ['Odd \\'n\\' ends'] (Time:datetime, Type:string, Source:string, Subject:string, Id:string, " +
      "DataSchema:string, PartitionKey:string, Sequence:string, TraceParent:string, Snapshot:bool, Data:dynamic)",
    ],
  );
  assert.equal(
    far.service.commands[1],
    ".create-or-alter table AdtTwinLifeCycleEvents ingestion json mapping 'twinrouter' '[" +
      '{"Column":"TwinId","DataType":"string","Properties":{"Path":"$.twinId"}},' +
      '{"Column":"Action","DataType":"string","Properties":{"Path":"$.action"}},' +
      '{"Column":"TimeStamp","DataType":"datetime","Properties":{"Path":"$.timeStamp"}},' +
      '{"Column":"ServiceId","DataType":"string","Properties":{"Path":"$.serviceId"}},' +
      '{"Column":"ModelId","DataType":"string","Properties":{"Path":"$.modelId"}}]\'',
  );
  assert.equal(far.service.commands.length, 8);
});

const AT = { timeStamp: "2026-01-01T12:00:00.123456Z", serviceId: "https://twins.example.com/" };

Deno.test("kusto writes a row in ADT's columns for each event of data history", async () => {
  await using far = await connected({ eventIdColumn: "Event Id", twinLifeCycleEventsTable: "Twins" });
  const bodies = [
    { twinId: "t", action: "Create", ...AT, modelId: "dtmi:m;1" },
    { relationshipId: "r", action: "Delete", name: "contains", source: "t", target: "u", ...AT },
    {
      twinId: "t",
      propertyName: "thermostat.Setpoint",
      propertyValue: { a: [1, null] },
      propertyType: "object",
      operation: "Replace",
      ...AT,
      modelId: "dtmi:m;1",
      sourceTimeStamp: "2026-01-01T11:00:00Z",
      updatedBy: "ann",
    },
    {
      twinId: "t",
      propertyName: "weight",
      propertyValue: null,
      propertyType: "double",
      operation: "Remove",
      ...AT,
      relationshipId: "r",
      relationshipTarget: "u",
    },
    // As the preset `adt` writes it.
    {
      ...AT,
      id: "t",
      modelId: null,
      key: "size",
      value: 5,
      relationshipTarget: null,
      relationshipId: null,
      action: "Create",
    },
  ];
  const events = bodies.map((body, number) =>
    // Types can be renamed.
    cloudEvent(number, { type: "Renamed", data: JSON.stringify(body), partitionkey: "t" })
  );
  assert.deepEqual(await deliver(far.sink, events), []);

  assert.deepEqual(await far.service.values("Twins"), [{
    TwinId: "t",
    Action: "Create",
    TimeStamp: AT.timeStamp,
    ServiceId: AT.serviceId,
    ModelId: "dtmi:m;1",
    "Event Id": "t-0",
  }]);
  assert.deepEqual(await far.service.values("AdtRelationshipLifeCycleEvents"), [{
    RelationshipId: "r",
    Name: "contains",
    Action: "Delete",
    TimeStamp: AT.timeStamp,
    ServiceId: AT.serviceId,
    Source: "t",
    Target: "u",
    "Event Id": "t-1",
  }]);
  const common = { TimeStamp: AT.timeStamp, ServiceId: AT.serviceId, Id: "t" };
  assert.deepEqual(await far.service.values("AdtPropertyEvents"), [
    {
      ...common,
      SourceTimeStamp: "2026-01-01T11:00:00Z",
      ModelId: "dtmi:m;1",
      Key: "thermostat.Setpoint",
      Value: { a: [1, null] },
      RelationshipTarget: "",
      RelationshipId: "",
      Action: "Update",
      UpdatedBy: "ann",
      "Event Id": "t-2",
    },
    {
      ...common,
      SourceTimeStamp: null,
      ModelId: "",
      Key: "weight",
      Value: null,
      RelationshipTarget: "u",
      RelationshipId: "r",
      Action: "Delete",
      UpdatedBy: "",
      "Event Id": "t-3",
    },
    {
      ...common,
      SourceTimeStamp: null,
      ModelId: "",
      Key: "size",
      Value: 5,
      RelationshipTarget: "",
      RelationshipId: "",
      Action: "Create",
      UpdatedBy: "",
      "Event Id": "t-4",
    },
  ]);
});

Deno.test("kusto keeps the digits of a property's value", async () => {
  await using far = await connected();
  const value = '{"a":22.0,"b":9007199254740993,"c":1E400,"d":-0.0}';
  await deliver(far.sink, [property(1, "t", "p", value)]);
  const [row] = await far.service.rows("AdtPropertyEvents");
  assert(row?.line.includes(`"value":${value}`), row?.line);
});

Deno.test("kusto keeps whole events of other formats, by their attributes", async () => {
  await using far = await connected();
  const event = cloudEvent(7, {
    dataschema: "dtmi:m;1",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    snapshot: true,
  });
  // A twin may have a property of any name.
  const alike = cloudEvent(8, {
    data: '{"$dtId":"t","serviceId":7,"timeStamp":"x","action":"Create","twinId":"t"}',
  });
  assert.deepEqual(await deliver(far.sink, [event, alike]), []);
  const [row, other] = await far.service.values("Events");
  assert.deepEqual(row, {
    Time: event.time,
    Type: event.type,
    Source: event.source,
    Subject: event.subject,
    Id: event.id,
    DataSchema: "dtmi:m;1",
    PartitionKey: "room-7",
    Sequence: event.sequence,
    TraceParent: event.traceparent,
    Snapshot: true,
    Data: { n: 7 },
  });
  assert.equal(other?.Id, alike.id);
});

Deno.test("kusto rejects what no table has columns for, and holds back its key's later events", async () => {
  await using far = await connected({ rawTable: undefined });
  const failed = await deliver(far.sink, [
    property(0, "t", "p", "1"),
    cloudEvent(1, { type: "Konnektr.DigitalTwins.Router.Gap", partitionkey: "t" }),
    property(2, "t", "p", "2"),
    property(3, "u", "p", "3"),
  ]);
  assert.deepEqual(summary(failed), ["1 rejected", "2 retryable"]);
  assert.match(failed[0]?.error.message ?? "", /Router\.Gap; name a rawTable for them$/);
  assert.deepEqual((await far.service.values("AdtPropertyEvents")).map(({ Value }) => Value), [1, 3]);
});

Deno.test("a kusto table that takes nothing holds up no other, but for the later events of its keys", async () => {
  await using far = await connected();
  far.service.fail("stream", 503); // twins come first
  const batch = [
    property(0, "t", "p", "0"),
    twinCreated(1, "t"),
    property(2, "t", "p", "2"),
    property(3, "u", "p", "3"),
    twinCreated(4, "v"),
  ];
  const failed = await deliver(far.sink, batch);
  assert.deepEqual(summary(failed), ["1 retryable", "2 retryable", "4 retryable"]);
  assert.deepEqual((await far.service.values("AdtPropertyEvents")).map(({ Value }) => Value), [0, 3]);
  assert.deepEqual(await deliver(far.sink, failed.map(({ index }) => batch[index] as CloudEvent)), []);
  assert.deepEqual((await far.service.values("AdtPropertyEvents")).map(({ Value }) => Value), [0, 3, 2]);
  assert.equal((await far.service.values("AdtTwinLifeCycleEvents")).length, 2);
});

Deno.test("kusto finds the event that cannot be streamed, and sends the others", async () => {
  await using far = await connected();
  const batch = cloudEvents(100, 10);
  const bad = batch[37] as CloudEvent;
  far.service.refused.set(bad.id, "rejected");
  const failed = await deliver(far.sink, batch);
  assert.deepEqual(summary(failed), [
    "37 rejected",
    ...[47, 57, 67, 77, 87, 97].map((each) => `${each} retryable`),
  ]);
  assert.match(
    failed[0]?.error.message ?? "",
    /answers 400 \(Kusto\.DataNode\.Exceptions\.StreamingIngestion/,
  );
  const indexes = new Set(failed.map(({ index }) => index));
  assertArrived(await far.farEnd.received(), batch.filter((_, index) => !indexes.has(index)));
  assert(far.service.requests.stream < 20, `${far.service.requests.stream} requests`);
});

Deno.test("kusto rejects an event that is too large to be streamed, and sends the others", async () => {
  await using far = await connected();
  const large = cloudEvent(1, { data: JSON.stringify("x".repeat(4_000_000)) });
  const batch = [cloudEvent(0), large, ...cloudEvents(3, 10, 2)];
  const failed = await deliver(far.sink, batch);
  assert.deepEqual(summary(failed), ["1 rejected"]);
  assert.match(failed[0]?.error.message ?? "", /larger than 4000000 bytes/);
  assertArrived(await far.farEnd.received(), batch.filter((event) => event !== large));
});

Deno.test("kusto cuts a batch into requests as large as they may be", async () => {
  await using far = await connected();
  const batch = Array.from(
    { length: 9 },
    (_, number) => cloudEvent(number, { data: JSON.stringify("€".repeat(400_000)) }),
  );
  assert.deepEqual(await deliver(far.sink, batch), []);
  assertArrived(await far.farEnd.received(), batch);
  assert.equal(far.service.requests.stream, 3);
});

const REFUSALS: [string, Parameters<KustoFarEnd["service"]["fail"]>[1], string, RegExp][] = [
  ["a server's error", 500, "retryable", /answers 500/],
  ["a busy server", 503, "retryable", /answers 503/],
  ["a server that is too slow", 504, "retryable", /answers 504/],
  ["a principal that may not", 403, "fatal", /answers 403 .*; see its auth, and the principal's roles/],
  [
    "a table that is not there",
    { status: 400, error: { "@type": "Kusto.DataNode.Exceptions.EntityNotFoundException" } },
    "fatal",
    /EntityNotFound/,
  ],
  [
    "streaming that is not switched on",
    {
      status: 400,
      error: { "@type": "Kusto.DataNode.Exceptions.StreamingIngestionPolicyNotEnabledException" },
    },
    "fatal",
    /PolicyNotEnabled/,
  ],
  ["what may pass by itself", { status: 400, error: { "@permanent": false } }, "retryable", /answers 400/],
];

for (const [what, fault, kind, message] of REFUSALS) {
  Deno.test(`kusto counts ${what} as ${kind}`, async () => {
    await using far = await connected();
    far.service.fail("stream", fault);
    const failed = await deliver(far.sink, cloudEvents(2));
    assert.deepEqual(summary(failed), [`0 ${kind}`, `1 ${kind}`]);
    assert.match(failed[0]?.error.message ?? "", message);
    assert.deepEqual(await far.farEnd.received(), []);
    assert.deepEqual(await deliver(far.sink, cloudEvents(2)), []);
  });
}

Deno.test("kusto waits as long as a service that throttles asks it to", async () => {
  await using far = await connected();
  far.service.fail("stream", { status: 429, headers: { "retry-after": "7" } });
  const [failure] = await deliver(far.sink, cloudEvents(1));
  assert.equal(failure?.error.kind, "retryable");
  assert.equal(failure.error.retryAfterMs, 7000);
  far.service.fail("engine", { status: 429, headers: { "retry-after": "3" } });
  await using again = far.farEnd.sink(STREAMING);
  const error = await failureOf(again.connect(NEVER));
  assert.equal(error.kind, "retryable");
  assert.equal(error.retryAfterMs, 3000);
});

Deno.test("kusto asks for a new token when one is refused, once", async () => {
  await using far = await connected();
  assert.equal(far.service.requests.token, 1);
  far.service.fail("stream", 401);
  assert.deepEqual(await deliver(far.sink, cloudEvents(1)), []);
  assert.equal(far.service.requests.token, 2);
  far.service.fail("stream", 401, 401);
  const failed = await deliver(far.sink, cloudEvents(1, 1, 1));
  assert.deepEqual(summary(failed), ["0 fatal"]);
  assert.match(failed[0]?.error.message ?? "", /answers 401 .*; see its auth$/);
});

Deno.test("kusto is down once its application's secret counts no more, and says so", async () => {
  await using far = await connected();
  far.service.revoked = true;
  const failed = await deliver(far.sink, cloudEvents(2));
  assert.deepEqual(summary(failed), ["0 fatal", "1 fatal"]);
  assert.match(
    failed[0]?.error.message ?? "",
    /^Cannot get a token from .*: it answers 401 \(invalid_client\)$/,
  );
  far.service.revoked = false;
  assert.deepEqual(await deliver(far.sink, cloudEvents(2)), []);
  assertArrived(await far.farEnd.received(), cloudEvents(2));
});

Deno.test("kusto tells once what an administrator has to run, and makes what it may later", async () => {
  await using farEnd = await KustoFarEnd.start();
  const { service } = farEnd;
  service.mayCreate = false;
  await using sink = farEnd.sink(STREAMING);
  await sink.connect(NEVER);
  await sink.connect(NEVER);
  assert.equal(farEnd.warnings.length, 1);
  const { message, fields } = farEnd.warnings[0] ?? {};
  assert.match(message ?? "", /^Cannot make tables and mappings: not allowed; an administrator/);
  const { commands } = fields as { commands: string[] };
  // The log's commands are the ones that help.
  for (const command of commands) service.database.command(command);
  assert.equal(service.database.tables.size, 4);
  assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
  assertArrived(await farEnd.received(), cloudEvents(3));
  service.mayCreate = true;
  await sink.connect(NEVER);
  assert.equal(farEnd.warnings.length, 1);
});

Deno.test("kusto cannot be connected while a column of its table has another type", async () => {
  await using farEnd = await KustoFarEnd.start();
  farEnd.service.database.command(".create-merge table AdtPropertyEvents (Value:string)");
  await using sink = farEnd.sink(STREAMING);
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "fatal");
  assert.match(error.message, /^Cannot command http.*: it answers 400: the column Value is a string$/);
});

Deno.test("kusto goes on when the service was away, and has lost nothing", async () => {
  await using far = await connected();
  const held = Promise.withResolvers<void>();
  far.service.fail("stream", { after: held.promise });
  const delivery = deliver(far.sink, cloudEvents(5));
  await far.service.seen("stream", 1);
  const stopped = far.service.stop(); // cuts the connection
  assert.deepEqual(summary(await delivery), [0, 1, 2, 3, 4].map((index) => `${index} retryable`));
  held.resolve();
  await stopped;
  const failed = await deliver(far.sink, cloudEvents(5));
  assert.deepEqual(summary(failed), [0, 1, 2, 3, 4].map((index) => `${index} retryable`));
  far.service.start();
  await far.sink.connect(NEVER);
  assert.deepEqual(await deliver(far.sink, cloudEvents(5)), []);
  assertArrived(await far.farEnd.received(), cloudEvents(5));
});

Deno.test("kusto shows no secret and no value, whatever goes wrong", async () => {
  await using farEnd = await KustoFarEnd.start();
  const errors: unknown[] = [];
  const errorOf = async (sink: Sink) => errors.push(await failureOf(sink.connect(NEVER)));
  await using sink = farEnd.sink(STREAMING);
  farEnd.service.fail("token", 500, 400, 401);
  for (let attempt = 0; attempt < 3; attempt++) await errorOf(sink);
  await sink.connect(NEVER);
  farEnd.service.fail("stream", 401, 401, { status: 400, error: { "@message": "row value: v4lue" } }, 503);
  for (let number = 0; number < 3; number++) {
    errors.push(...await deliver(sink, [cloudEvent(number, { data: '"v4lue"' })]));
  }
  await farEnd.service.stop();
  await errorOf(sink);
  assert.equal(errors.length, 7);
  assert.doesNotMatch(Deno.inspect(errors, { depth: 10 }), new RegExp(`${SECRET}|v4lue|Bearer`));
});

const SINK = "eventSinks:\n  kusto: [{ name: Adx, ingestionUri: https://ingest-x, database: d }]\n";

Deno.test("a route of another format than data history needs a kusto sink with a rawTable", () => {
  const routes = "eventRoutes:\n  - { sinkName: Adx, eventFormat: EventNotification }\n";
  assert.deepEqual(toldBy(() => loadConfig(SINK + routes)), [
    "6:39 eventRoutes[0].eventFormat: the sink 'Adx' keeps nothing but DataHistory; name a rawTable for whole events " +
    "of the format EventNotification",
  ]);
  loadConfig(SINK.replace("database: d", "database: d, rawTable: Events") + routes);
  loadConfig(SINK + routes.replace("EventNotification", "DataHistory"));
  loadConfig(SINK);
});
