import assert from "node:assert/strict";
import { EventFactory } from "../../src/event/event_factory.ts";
import { readEventId } from "../../src/event/event_id.ts";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { ReplicationDecoder } from "../../src/postgres/pgoutput/replication_decoder.ts";
import { type CaptureName, captureNames, readCapture } from "../support/captures.ts";
import { madeEvents } from "../support/made_events.ts";
import { type TwinOutcome, twinOutcome } from "../support/twin_items.ts";

// What PostgreSQL with Apache AGE sent, and the notifications that the statements in its .sql file mean.

interface Outcome extends TwinOutcome {
  readonly events: readonly CloudEvent[];
}

async function outcomeOf(name: CaptureName): Promise<Outcome> {
  const outcome = await twinOutcome(new ReplicationDecoder().decode(readCapture(name)));
  const events = madeEvents(factory(), outcome.items).map(({ event }) => event);
  return { ...outcome, events };
}

function factory(): EventFactory {
  return new EventFactory({
    source: "postgresql://localhost/twins/{graph}",
    systemIdentifier: "7412345678901234567",
    database: "twins",
    severalGraphs: false,
  });
}

/** The same capture's telemetry; what is outside of any transaction arrives at noon. */
async function telemetryOf(name: CaptureName): Promise<CloudEvent[]> {
  const noon = Date.UTC(2026, 0, 1, 12);
  const { items } = await twinOutcome(new ReplicationDecoder().decode(readCapture(name)), {
    now: () => noon,
  });
  return madeEvents(factory(), items, "Telemetry").map(({ event }) => event);
}

/** `Twin.Create room-a {…}`, as the body is written. */
function linesOf({ events }: Outcome): string[] {
  return events.map(({ type, subject, data }) =>
    `${type.replace("Konnektr.DigitalTwins.", "")} ${subject} ${data}`
  );
}

const roomModel = (more = "") =>
  '{"id": "dtmi:example:Room;1", "bases": [], "model": {"@id": "dtmi:example:Room;1", "@type": "Interface", ' +
  '"@context": "dtmi:dtdl:context;3", "contents": [{"name": "Temperature", "@type": "Property", "schema": "double"}, ' +
  '{"name": "Humidity", "@type": "Property", "schema": "integer"}, {"name": "thermostat", "@type": "Component", ' +
  '"schema": "dtmi:example:Thermostat;1"}, {"name": "contains", "@type": "Relationship"}]}, "descendants": []' +
  `${more}}`;

/** The data of an update. */
const update = (modelId: string, ...operations: readonly string[]) =>
  `{"modelId":"${modelId}","patch":[${operations.join(",")}]}`;
const add = (path: string, value: string) => `{"op":"add","path":"${path}","value":${value}}`;
const replace = (path: string, value: string) => `{"op":"replace","path":"${path}","value":${value}}`;
const remove = (path: string) => `{"op":"remove","path":"${path}"}`;

const room = "dtmi:example:Room;1";

Deno.test("basic: creates, updates and deletes of twins, relationships and models", async () => {
  const outcome = await outcomeOf("basic");
  assert.deepEqual(linesOf(outcome), [
    `Model.Create ${room} ${roomModel()}`,
    'Twin.Create room-a {"$dtId": "room-a", "$etag": "W/\\"1\\"", "Humidity": 45, "$metadata": ' +
    '{"$model": "dtmi:example:Room;1", "Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, ' +
    '"Temperature": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}}, "Temperature": 21.5}',
    `Twin.Update room-a ${
      update(
        room,
        replace("/Temperature", "22.0"),
        add("/$metadata/Temperature/sourceTime", '"2026-01-01T12:00:04.5000000Z"'),
      )
    }`,
    // Only its lastUpdateTime moved: the value was written again.
    `Twin.Update room-a ${update(room, replace("/Temperature", "22.0"))}`,
    'Twin.Create floor-1 {"$dtId": "floor-1", "$metadata": {"$model": "dtmi:example:Floor;1"}}',
    'Relationship.Create floor-1/relationships/rel-1 {"$etag": "W/\\"9\\"", "$sourceId": "floor-1", ' +
    '"$targetId": "room-a", "$relationshipId": "rel-1", "$relationshipName": "contains", "relationshipProperty": "value"}',
    `Relationship.Update floor-1/relationships/rel-1 {"patch":[${
      replace("/relationshipProperty", '"newValue"')
    }]}`,
    'Twin.Create room-b {"dims": {"h": 4.5, "w": 3.2}, "tags": {"wing": "east", "floor": "1"}, "$dtId": "room-b", ' +
    '"series": [1, 2, 3], "$metadata": {"$model": "dtmi:example:Room;1"}, "thermostat": {"Setpoint": 20.5, ' +
    '"$metadata": {"Setpoint": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}}}}',
    `Twin.Update room-b ${
      update(
        room,
        replace("/tags/floor", '"2"'),
        remove("/tags/wing"),
        replace("/series", "[1, 2, 3, 4]"),
        replace("/thermostat/Setpoint", "21.0"),
      )
    }`,
    'Twin.Create edge-values {"no": false, "arr": [1, 2.5, "x", null, true, {"a": 1.5}], "big": 9007199254740993, ' +
    '"dec": 1.1, "inf": "Infinity", "min": -9223372036854775808, "nan": "NaN", "neg": -0.0, "yes": true, ' +
    '"huge": 1e+300, "name": "café \\n \\"q\\" \\\\ \\u0001 😀", "ninf": "-Infinity", "tiny": 5e-324, ' +
    '"$dtId": "edge-values", "a/b~c": 2, "empty": "", "exact": 22.0, "emptyMap": {}, ' +
    '"$metadata": {"$model": "dtmi:example:Odd;1"}, "emptyList": [], "key with space": 1}',
    'Twin.Create merged {"$dtId": "merged", "$metadata": {"$model": "dtmi:example:Room;1"}, "Temperature": 1.5}',
    // The ghost was created and deleted in one transaction.
    `Twin.Update room-a ${update(room, replace("/Temperature", "23.0"))}`,
    `Twin.Update room-b ${update(room, replace("/dims/h", "4.75"))}`,
    `Twin.Update room-a ${update(room, replace("/Humidity", "46"), replace("/Temperature", "24.0"))}`,
    `Twin.Update room-a ${update(room, remove("/Humidity"))}`,
    'Relationship.Delete floor-1/relationships/rel-1 {"$etag": "W/\\"9\\"", "$sourceId": "floor-1", ' +
    '"$targetId": "room-a", "$relationshipId": "rel-1", "$relationshipName": "contains", ' +
    '"relationshipProperty": "newValue"}',
    'Twin.Delete room-a {"$dtId": "room-a", "$etag": "W/\\"3\\"", "$metadata": {"$model": "dtmi:example:Room;1", ' +
    '"Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, ' +
    '"Temperature": {"lastUpdateTime": "2026-01-01T12:00:10.0000000Z"}}, "Temperature": 24.0}',
    `Model.Update ${room} ${update(room, add("/decommissioned", "true"))}`,
    `Model.Delete ${room} ${roomModel(', "decommissioned": true')}`,
  ]);
  assert.deepEqual(outcome.ignored, {});
  assert.deepEqual(outcome.log, []);
});

Deno.test("basic: attributes", async () => {
  const { events } = await outcomeOf("basic");
  assert.deepEqual(events.slice(4, 8).map(({ partitionkey }) => partitionkey), [
    "floor-1",
    "floor-1",
    "floor-1",
    "room-b",
  ]);
  assert.equal(events[0]?.partitionkey, room);
  const [, created] = events;
  assert.equal(created?.source, "postgresql://localhost/twins/digitaltwins");
  assert.equal(created?.time, "2026-11-23T01:33:12.521940Z");
  assert.equal(readEventId(created?.id ?? "")?.commitLsn, 0x1F1A970n);
  // Three updates in one transaction.
  const ordinals = events.slice(11, 14).map(({ id }) => readEventId(id)?.ordinal);
  assert.deepEqual(ordinals, [0, 1, 2]);
});

const boiler = "dtmi:example:Boiler;1";

Deno.test("api: rows as AgeDigitalTwins writes them", async () => {
  const outcome = await outcomeOf("api");
  assert.deepEqual(linesOf(outcome), [
    // A PUT of a new twin: a stub, then its values.
    'Twin.Create boiler-1 {"$dtId": "boiler-1", "$etag": "W/\\"b1\\"", "Pressure": 2.5, "$metadata": ' +
    '{"$model": "dtmi:example:Boiler;1", "Pressure": {"lastUpdatedBy": "ann", ' +
    '"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, "thermostat": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, ' +
    '"$lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, "thermostat": {"Mode": "auto", "Setpoint": 20.5, ' +
    '"$metadata": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}}}',
    // UpdateComponent.
    `Twin.Update boiler-1 ${update(boiler, replace("/thermostat/Setpoint", "21.0"))}`,
    // The component written again, unchanged.
    `Twin.Update boiler-1 ${update(boiler, replace("/thermostat", '{"Mode":"auto","Setpoint":21.0}'))}`,
    // A sourceTime alone; 21.0 is now written 21.
    `Twin.Update boiler-1 ${
      update(boiler, add("/$metadata/Pressure/sourceTime", '"2026-01-01T11:59:59.5000000Z"'))
    }`,
    // The model changes; Pressure is written again.
    `Twin.Update boiler-1 ${
      update(
        "dtmi:example:Boiler;2",
        replace("/Pressure", "2.5"),
        remove("/thermostat"),
        replace("/$metadata/$model", '"dtmi:example:Boiler;2"'),
      )
    }`,
    // A PUT without $dtId.
    'Twin.Create nameless {"T": 3, "$metadata": {"$model": "dtmi:example:Room;1"}}',
    // A batch of two new twins and one known.
    'Twin.Create batch-1 {"n": 1, "$dtId": "batch-1", "$metadata": {"$model": "dtmi:example:Room;1"}}',
    `Twin.Update boiler-1 ${update("dtmi:example:Boiler;2", add("/n", "2"), remove("/Pressure"))}`,
    'Twin.Create batch-3 {"n": 3, "$dtId": "batch-3", "$metadata": {"$model": "dtmi:example:Room;1"}}',
    // As AGE 1.8 sends a batch: all stubs, then all values.
    'Twin.Create late-1 {"n": 1, "$dtId": "late-1", "$metadata": {"$model": "dtmi:example:Room;1"}}',
    'Twin.Create late-2 {"n": 2, "$dtId": "late-2", "$metadata": {"$model": "dtmi:example:Room;1"}}',
    'Twin.Create late-3 {"n": 3, "$dtId": "late-3", "$metadata": {"$model": "dtmi:example:Room;1"}}',
  ]);
  assert.deepEqual(outcome.events.slice(-3).map(({ id }) => readEventId(id)?.ordinal), [3, 4, 5]);
  assert.deepEqual(outcome.log, []);
});

Deno.test("labels: an edge label that is born without an old row to send", async () => {
  const outcome = await outcomeOf("labels");
  const link = (rate: number) =>
    `{"rate": ${rate}, "$sourceId": "pump-1", "$targetId": "tank-1", "$relationshipId": "f-1", ` +
    '"$relationshipName": "feeds"}';
  assert.deepEqual(linesOf(outcome), [
    'Twin.Create pump-1 {"$dtId": "pump-1", "speed": 1, "$metadata": {"$model": "dtmi:example:Pump;1"}}',
    'Twin.Create tank-1 {"$dtId": "tank-1", "level": 0.5, "$metadata": {"$model": "dtmi:example:Tank;1"}}',
    `Relationship.Create pump-1/relationships/f-1 ${link(5)}`,
    `Relationship.Update pump-1/relationships/f-1 {"patch":[${add("/rate", "6")}]}`,
    `Relationship.Update pump-1/relationships/f-1 {"patch":[${replace("/rate", "7")}]}`,
    `Relationship.Delete pump-1/relationships/f-1 ${link(7)}`,
  ]);
  assert.deepEqual(outcome.ignored, { catalog: 1 });
  // The row of ag_label takes an ordinal, too.
  assert.deepEqual(outcome.events.map(({ id }) => readEventId(id)?.ordinal), [0, 0, 1, 0, 0, 0]);
});

Deno.test("toast: a value that was not sent is filled, or nothing is said of it", async () => {
  const outcome = await outcomeOf("toast");
  const body = `{"blob": "${
    "0123456789".repeat(300)
  }", "$dtId": "big", "$metadata": {"$model": "dtmi:example:Big;1"}}`;
  assert.deepEqual(linesOf(outcome), [
    `Twin.Create big ${body}`,
    `Twin.Create big ${body}`,
    `Twin.Delete big ${body}`,
  ]);
  assert.deepEqual(
    outcome.lines.filter((line) => line.startsWith("update")).length,
    1,
    "toast_full, as it was",
  );
  assert.deepEqual(outcome.ignored, { unknown_properties: 1, delete_without_properties: 1 });
  assert.equal(outcome.log.length, 2);
});

Deno.test("messages: rows and messages of others pass by", async () => {
  const outcome = await outcomeOf("messages");
  assert.deepEqual(linesOf(outcome), [
    `Twin.Update tank-1 ${update("dtmi:example:Tank;1", replace("/level", "0.75"))}`,
  ]);
  // The message before it takes an ordinal.
  assert.equal(readEventId(outcome.events[0]?.id ?? "")?.ordinal, 1);
  assert.deepEqual(outcome.ignored, { other_table: 5 });
  assert.deepEqual(outcome.log, []);
});

Deno.test("messages: telemetry outside of a transaction and inside of one", async () => {
  const shared = {
    type: "Konnektr.DigitalTwins.Telemetry",
    source: "postgresql://localhost/twins/digitaltwins/digitaltwins/room-b",
    datacontenttype: "application/json",
    partitionkey: "room-b",
    graph: "digitaltwins",
  };
  assert.deepEqual(await telemetryOf("messages"), [
    {
      ...shared,
      id: "m-1",
      subject: "room-b",
      time: "2026-01-01T12:00:00.000000Z",
      sequence: "0000000001f69b67-00000000-0000",
      data: '{"temperature":23.5}',
    },
    {
      ...shared,
      id: "m-2",
      subject: "room-b/components/thermostat",
      time: "2026-11-23T01:34:01.569918Z",
      sequence: "0000000001f69de8-00000000-0000",
      data: '{"temperature":23.75}',
    },
  ]);
});

Deno.test("streamed: only what was committed", async () => {
  const outcome = await outcomeOf("streamed");
  const lines = linesOf(outcome);
  assert.equal(lines.length, 801);
  const body = (i: number, temperature: string) =>
    `{"$dtId": "s-${i}", "$metadata": {"$model": "dtmi:example:Room;1"}, "Temperature": ${temperature}}`;
  for (let i = 1; i <= 400; i++) {
    assert.equal(lines[i - 1], `Twin.Create s-${i} ${body(i, `${i}.5`)}`);
  }
  assert.equal(lines[400], `Twin.Update s-1 ${update(room, replace("/Temperature", "99.5"))}`);
  assert.deepEqual(
    lines.slice(401).toSorted(),
    Array.from(
      { length: 400 },
      (_, index) => `Twin.Delete s-${index + 1} ${body(index + 1, index === 0 ? "99.5" : `${index + 1}.5`)}`,
    )
      .toSorted(),
  );
  assert.deepEqual(outcome.events.filter(({ subject }) => /rolled-back|aborted/.test(subject)), []);
});

Deno.test("all captures: ids are unique, bodies are JSON, sequences rise with each partition key", async () => {
  for (const name of captureNames) {
    const { events } = await outcomeOf(name);
    assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
    const newest = new Map<string, string>();
    for (const { data, partitionkey, sequence = "" } of events) {
      JSON.parse(data);
      assert(sequence > (newest.get(partitionkey) ?? ""), `${name}: ${sequence}`);
      newest.set(partitionkey, sequence);
    }
  }
});
