import assert from "node:assert/strict";
import fc from "fast-check";
import type { CloudEvent, EventFormat } from "../../src/event/cloud_event.ts";
import { EventFactory, type EventFactoryOptions } from "../../src/event/event_factory.ts";
import { Filter } from "../../src/route/filter/filter.ts";
import { UnsentEvent } from "../../src/route/filter/filterable_event.ts";
import { httpBinaryHeaders } from "../../src/sink/encode_http.ts";
import { structuredJson } from "../../src/sink/encode.ts";
import { NotifiedTelemetry } from "../../src/twin/notified_telemetry.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { LogRecorder } from "../support/log_recorder.ts";
import { madeEvents } from "../support/made_events.ts";
import { inserted, message, transaction, truncated, Twin } from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const options: EventFactoryOptions = {
  source: "https://your-adt-instance/",
  systemIdentifier: "7412345678901234567",
  database: "twins",
  severalGraphs: false,
};

/** The events of telemetry, a twin and a gap in one format. */
async function eventsOf(
  payload: object,
  changed: Partial<EventFactoryOptions> = {},
  format: EventFormat = "Telemetry",
): Promise<readonly CloudEvent[]> {
  const text = JSON.stringify({ digitalTwinId: "room", messageId: "m-1", graphName: "moon", ...payload });
  const { items } = await twinOutcome(transaction([
    message("digitaltwins_telemetry", text),
    inserted(Twin, 1, { $dtId: "hall", n: 1 }),
    truncated(Twin),
  ]));
  const factory = new EventFactory({ ...options, ...changed });
  return madeEvents(factory, items, format).map(({ event }) => event);
}

async function timeOf(timestamp: string): Promise<string | undefined> {
  return (await eventsOf({ timestamp }))[0]?.time;
}

Deno.test("telemetry is one event of its format alone", async () => {
  assert.deepEqual(await eventsOf({ telemetry: { T: 22.5 }, modelId: "dtmi:example:Room;1" }), [{
    id: "m-1",
    type: "Konnektr.DigitalTwins.Telemetry",
    source: "https://your-adt-instance/digitaltwins/room",
    subject: "room",
    time: "2026-01-01T12:00:00.123456Z",
    datacontenttype: "application/json",
    dataschema: "dtmi:example:Room;1",
    partitionkey: "room",
    sequence: "0000000100000000-00000000-0000",
    graph: "moon",
    data: '{"T":22.5}',
  }]);
  for (const format of ["EventNotification", "DataHistory"] as const) {
    const types = (await eventsOf({}, {}, format)).map(({ type }) => type);
    assert(types.length > 0 && types.every((type) => !type.endsWith("Telemetry")), format);
  }
});

Deno.test("the source names the twin as one segment of a path", async () => {
  const source = "postgresql://db/twins/{graph}";
  const [event] = await eventsOf({ digitalTwinId: "a/b é?#%", componentName: "c/d" }, { source });
  assert.equal(event?.source, "postgresql://db/twins/moon/digitaltwins/a%2Fb%20%C3%A9%3F%23%25");
  assert.equal(event?.subject, "a/b é?#%/components/c/d");
  assert.equal(event?.partitionkey, "a/b é?#%");
  const [half] = await eventsOf({ digitalTwinId: "\ud800" }, { source });
  assert.equal(half?.source, "postgresql://db/twins/moon/digitaltwins/%EF%BF%BD");
});

Deno.test("with several graphs the partition key names the graph", async () => {
  const [event] = await eventsOf({ componentName: "lamp" }, { severalGraphs: true });
  assert.deepEqual([event?.partitionkey, event?.subject], ["moon/room", "room/components/lamp"]);
});

Deno.test("its time is its timestamp in UTC and microseconds, and the commit's if that is none", async () => {
  assert.equal(await timeOf("2025-06-01T12:00:00.1234567Z"), "2025-06-01T12:00:00.123456Z");
  assert.equal(await timeOf("2025-06-01t12:00:00z"), "2025-06-01T12:00:00.000000Z");
  assert.equal(await timeOf("2025-06-01T00:30:00.5+02:00"), "2025-05-31T22:30:00.500000Z");
  const committed = "2026-01-01T12:00:00.123456Z";
  for (
    const none of [
      "yesterday",
      "2025-06-01",
      "2025-06-01T12:00:00",
      "2025-13-01T12:00:00Z",
      "2025-06-01T12:00:60Z",
      "0000-01-01T00:00:00+01:00",
      "9999-12-31T23:59:59-01:00",
      "",
    ]
  ) assert.equal(await timeOf(none), committed, none);
});

Deno.test("a filter by model looks at its dataschema", async () => {
  const [event] = await eventsOf({ telemetry: 1, modelId: "dtmi:example:Room;1" });
  assert(event);
  assert.equal(new Filter("IS_OF_MODEL('dtmi:example:Room;1')").matches(new UnsentEvent(event)), true);
  assert.equal(new Filter("IS_OF_MODEL('dtmi:example:Hall;1')").matches(new UnsentEvent(event)), false);
});

/** Of telemetry by NOTIFY. */
function notified(text: string, now = 0): CloudEvent | undefined {
  const payload = new TextEncoder().encode(text);
  const telemetry = new NotifiedTelemetry({ metrics: new Metrics(), now: () => now });
  const item = telemetry.read({ processId: 1, payload });
  return item && new EventFactory(options).eventsOf(item, "Telemetry")[0]?.event;
}

Deno.test("what comes by NOTIFY has the time of its arrival and no sequence", () => {
  const text = '{"digitalTwinId":"room","messageId":"m","graphName":"moon","telemetry":1.0}';
  assert.deepEqual(notified(text, Date.UTC(2026, 0, 1, 12, 0, 0, 7)), {
    id: "m",
    type: "Konnektr.DigitalTwins.Telemetry",
    source: "https://your-adt-instance/digitaltwins/room",
    subject: "room",
    time: "2026-01-01T12:00:00.007000Z",
    datacontenttype: "application/json",
    partitionkey: "room",
    graph: "moon",
    data: "1.0",
  });
});

Deno.test("what is heard without the slot is counted, and told of once in a while", async () => {
  const log = new LogRecorder();
  const metrics = new Metrics();
  const telemetry = new NotifiedTelemetry({ metrics, log });
  for (let times = 0; times < 9; times++) telemetry.leave();
  const { values } = await metrics.ignoredTelemetry.get();
  assert.deepEqual(values.map(({ labels, value }) => ({ ...labels, value })), [
    { reason: "slot_not_held", value: 9 },
  ]);
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0] ?? "", /did not hold its slot/);
});

Deno.test("whatever names and values it has, an event can be written in every form", () => {
  const text = fc.string({ unit: "binary", minLength: 1 });
  const members = fc.record({
    digitalTwinId: text,
    messageId: text,
    graphName: text,
    componentName: fc.option(text),
    modelId: fc.option(text),
    timestamp: fc.option(fc.oneof(text, fc.date({ noInvalidDate: true }).map((date) => date.toISOString()))),
    telemetry: fc.jsonValue(),
  });
  fc.assert(
    fc.property(members, (members) => {
      const text = JSON.stringify(members);
      const given = JSON.parse(text) as typeof members;
      const event = notified(text);
      assert(event);
      const { id, subject, data } = JSON.parse(structuredJson(event));
      assert.equal(id, given.messageId.toWellFormed());
      assert(subject.startsWith(given.digitalTwinId.toWellFormed()));
      if (given.telemetry !== null) assert.deepEqual(data, given.telemetry);
      new Headers(httpBinaryHeaders(event));
      new URL(event.source);
    }),
    { seed: Number(Deno.env.get("SEED") ?? 20_261_126), numRuns: 1000 },
  );
});
