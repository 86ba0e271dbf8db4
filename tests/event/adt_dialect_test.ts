import assert from "node:assert/strict";
import type { CloudEvent, EventFormat } from "../../src/event/cloud_event.ts";
import { dialectOf } from "../../src/event/dialect.ts";
import { EventFactory, type EventFactoryOptions } from "../../src/event/event_factory.ts";
import { ReplicationDecoder } from "../../src/postgres/pgoutput/replication_decoder.ts";
import type { Replicated } from "../../src/postgres/row_change.ts";
import { Filter } from "../../src/route/filter/filter.ts";
import { UnsentEvent } from "../../src/route/filter/filterable_event.ts";
import { structuredJson } from "../../src/sink/encode.ts";
import { readCapture } from "../support/captures.ts";
import { madeEvents } from "../support/made_events.ts";
import {
  contains,
  deleted,
  inserted,
  message,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

// Events as Azure Digital Twins writes them; bodies are compared as text, members in its order.

async function eventsOf(
  rows: readonly Replicated[],
  format: EventFormat,
  options: Partial<EventFactoryOptions> = {},
): Promise<CloudEvent[]> {
  const factory = new EventFactory({
    source: "https://my-twins.api.weu.digitaltwins.azure.net/",
    systemIdentifier: "1",
    database: "twins",
    severalGraphs: false,
    ...options,
  });
  const { items } = await twinOutcome(rows);
  const made = madeEvents(factory, items, format, { includeMetadata: false, dialect: dialectOf("adt") });
  return made.map(({ event }) => event);
}

const basic = (format: EventFormat, options?: Partial<EventFactoryOptions>) =>
  eventsOf(new ReplicationDecoder().decode(readCapture("basic")), format, options);

/** `Twin.Update room-a {…}` */
function lineOf({ type, subject, data }: CloudEvent): string {
  return `${type.replace("Microsoft.DigitalTwins.", "")} ${subject} ${data}`;
}

Deno.test("basic: notifications as Azure Digital Twins would write them", async () => {
  const events = await basic("EventNotification");
  assert.deepEqual(events.slice(1, 9).map(lineOf), [
    'Twin.Create room-a {"$dtId": "room-a", "$etag": "W/\\"1\\"", "Humidity": 45, "$metadata": ' +
    '{"$model": "dtmi:example:Room;1", "Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, ' +
    '"Temperature": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}}, "Temperature": 21.5}',
    'Twin.Update room-a {"modelId":"dtmi:example:Room;1","patch":[{"value":22.0,"path":"/Temperature","op":"replace"},' +
    '{"value":"2026-01-01T12:00:04.5000000Z","path":"/$metadata/Temperature/sourceTime","op":"add"}]}',
    'Twin.Update room-a {"modelId":"dtmi:example:Room;1","patch":[{"value":22.0,"path":"/Temperature","op":"replace"}]}',
    'Twin.Create floor-1 {"$dtId": "floor-1", "$metadata": {"$model": "dtmi:example:Floor;1"}}',
    'Relationship.Create floor-1/relationships/rel-1 {"$etag": "W/\\"9\\"", "$sourceId": "floor-1", ' +
    '"$targetId": "room-a", "$relationshipId": "rel-1", "$relationshipName": "contains", "relationshipProperty": "value"}',
    'Relationship.Update floor-1/relationships/rel-1 {"patch":[{"value":"newValue","path":"/relationshipProperty",' +
    '"op":"replace"}]}',
    'Twin.Create room-b {"dims": {"h": 4.5, "w": 3.2}, "tags": {"wing": "east", "floor": "1"}, "$dtId": "room-b", ' +
    '"series": [1, 2, 3], "$metadata": {"$model": "dtmi:example:Room;1"}, "thermostat": {"Setpoint": 20.5, ' +
    '"$metadata": {"Setpoint": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}}}}',
    'Twin.Update room-b {"modelId":"dtmi:example:Room;1","patch":[{"value":"2","path":"/tags/floor","op":"replace"},' +
    '{"path":"/tags/wing","op":"remove"},{"value":[1, 2, 3, 4],"path":"/series","op":"replace"},' +
    '{"value":21.0,"path":"/thermostat/Setpoint","op":"replace"}]}',
  ]);
  const models = events.filter(({ type }) => type.includes(".Model."));
  assert.deepEqual(models.map(({ type }) => type.replace("Microsoft.DigitalTwins.", "")), [
    "Model.Upload",
    "Model.Patch",
    "Model.Delete",
  ]);
});

Deno.test("basic: the source is the bare host, and times have seven digits", async () => {
  for (const format of ["EventNotification", "DataHistory"] as const) {
    for (const { source, time } of await basic(format)) {
      assert.equal(source, "my-twins.api.weu.digitaltwins.azure.net");
      assert.match(time, /^2026-11-23T01:33:1\d\.\d{6}0Z$/);
    }
  }
});

Deno.test("a source that is a web address becomes its host, any other stays", async () => {
  const sourceOf = async (source: string) => (await basic("EventNotification", { source }))[0]?.source;
  assert.equal(
    await sourceOf("https://c.api.wus2.digitaltwins.azure.net"),
    "c.api.wus2.digitaltwins.azure.net",
  );
  assert.equal(await sourceOf("HTTP://user@Twins.example:8443/{graph}/?x#y"), "Twins.example:8443");
  assert.equal(await sourceOf("https://{graph}.twins.example/x"), "digitaltwins.twins.example");
  assert.equal(await sourceOf("c.api.wus2.digitaltwins.azure.net"), "c.api.wus2.digitaltwins.azure.net");
  assert.equal(await sourceOf("postgresql://db/twins/{graph}"), "postgresql://db/twins/digitaltwins");
});

Deno.test("basic: data history by the columns of its tables", async () => {
  const events = await basic("DataHistory");
  const at = (index: number) => `"timeStamp":"${events[index]?.time}"`;
  const service = '"serviceId":"my-twins.api.weu.digitaltwins.azure.net"';
  const none = '"relationshipTarget":null,"relationshipId":null';
  const room = '"id":"room-a","modelId":"dtmi:example:Room;1"';
  const link = '"id":"floor-1","modelId":null,"key":"relationshipProperty"';
  const linked = '"relationshipTarget":"room-a","relationshipId":"rel-1"';
  assert.deepEqual(events.slice(0, 9).map(lineOf), [
    `Twin.Lifecycle room-a {"twinId":"room-a","action":"Create",${
      at(0)
    },${service},"modelId":"dtmi:example:Room;1"}`,
    `Property.Event room-a {${
      at(1)
    },${service},${room},"key":"Humidity","value":45,${none},"action":"Create"}`,
    `Property.Event room-a {${
      at(2)
    },${service},${room},"key":"Temperature","value":21.5,${none},"action":"Create"}`,
    `Property.Event room-a {${at(3)},"sourceTimeStamp":"2026-01-01T12:00:04.5000000Z",${service},${room},` +
    `"key":"Temperature","value":22.0,${none},"action":"Update"}`,
    `Property.Event room-a {${
      at(4)
    },${service},${room},"key":"Temperature","value":22.0,${none},"action":"Update"}`,
    `Twin.Lifecycle floor-1 {"twinId":"floor-1","action":"Create",${
      at(5)
    },${service},"modelId":"dtmi:example:Floor;1"}`,
    `Relationship.Lifecycle floor-1/relationships/rel-1 {"relationshipId":"rel-1","action":"Create",${
      at(6)
    },${service},` +
    '"name":"contains","source":"floor-1","target":"room-a"}',
    `Property.Event floor-1/relationships/rel-1 {${
      at(7)
    },${service},${link},"value":"value",${linked},"action":"Create"}`,
    `Property.Event floor-1/relationships/rel-1 {${at(8)},${service},${link},"value":"newValue",${linked},` +
    '"action":"Update"}',
  ]);
  const removed = events.filter(({ data }) => data.includes('"action":"Delete"')).map(({ data }) =>
    JSON.parse(data)
  );
  assert.deepEqual(
    removed.map(({ twinId, relationshipId, id, key, value }) => [twinId ?? relationshipId ?? id, key, value]),
    [
      ["room-a", "Humidity", null],
      ["rel-1", undefined, undefined],
      ["room-a", undefined, undefined],
    ],
  );
  assert.deepEqual(
    events.filter(({ data }) => data.includes("Setpoint")).map(({ data }) => JSON.parse(data).key),
    ["thermostat.Setpoint", "thermostat.Setpoint"],
  );
});

Deno.test("the history says who updated a property if it is to", async () => {
  const twin = (by: string) => ({
    $dtId: "a",
    T: 1,
    $metadata: { T: { lastUpdatedBy: by, lastUpdateTime: by } },
  });
  const rows = transaction([updated(Twin, 1, twin("ann"), twin("bob"))]);
  const authorOf = async (trackLastUpdatedBy: boolean) =>
    JSON.parse((await eventsOf(rows, "DataHistory", { trackLastUpdatedBy }))[0]?.data ?? "").updatedBy;
  assert.equal(await authorOf(true), "bob");
  assert.equal(await authorOf(false), undefined);
});

Deno.test("a relationship says where it begins, even if its row does so no more", async () => {
  const whole = { $relationshipId: "r", $sourceId: 'a "$&"', $targetId: "b" };
  const { $sourceId: _, ...rest } = whole;
  const bodies = async (now: object | string) => {
    const events = await eventsOf(
      transaction([inserted(contains, 1, whole), updated(contains, 1, whole, now)]),
      "EventNotification",
    );
    return events.map(({ data }) => JSON.parse(data));
  };
  assert.deepEqual(await bodies(rest), [whole]);
  assert.deepEqual(await bodies("{ }"), [{ $sourceId: whole.$sourceId }]);
  const [event] = await eventsOf(transaction([deleted(contains, 1, whole)]), "EventNotification");
  assert.equal(event?.data, JSON.stringify(whole));
});

Deno.test("telemetry has its component as subject, or none, and the twin in its source", async () => {
  const telemetryOf = async (payload: object) => {
    const text = JSON.stringify({ digitalTwinId: "room 1", messageId: "m-1", graphName: "moon", ...payload });
    const [event] = await eventsOf(transaction([message("digitaltwins_telemetry", text)]), "Telemetry");
    assert(event);
    return JSON.parse(structuredJson(event));
  };
  const plain = {
    specversion: "1.0",
    id: "m-1",
    type: "microsoft.iot.telemetry",
    source: "my-twins.api.weu.digitaltwins.azure.net/digitaltwins/room%201",
    time: "2026-01-01T12:00:00.1234560Z",
    datacontenttype: "application/json",
    partitionkey: "room 1",
    sequence: "0000000100000000-00000000-0000",
    data: { T: 22.5 },
  };
  assert.deepEqual(await telemetryOf({ telemetry: { T: 22.5 } }), plain);
  assert.deepEqual(
    await telemetryOf({
      telemetry: { T: 22.5 },
      componentName: "comp1.comp2",
      modelId: "dtmi:x;1",
      timestamp: "2025-06-01T12:00:00.1234567Z",
    }),
    { ...plain, subject: "comp1.comp2", dataschema: "dtmi:x;1", time: "2025-06-01T12:00:00.1234567Z" },
  );
});

Deno.test("a filter takes a subject that is not there for none", async () => {
  const payload = { digitalTwinId: "room", messageId: "m-1", graphName: "moon" };
  const [event] = await eventsOf(
    transaction([message("digitaltwins_telemetry", JSON.stringify(payload))]),
    "Telemetry",
  );
  assert(event);
  assert.equal(new Filter("subject = null").matches(new UnsentEvent(event)), true);
  assert.equal(new Filter("IS_DEFINED(subject)").matches(new UnsentEvent(event)), false);
});
