import assert from "node:assert/strict";
import { EventFactory } from "../../src/event/event_factory.ts";
import { readEventId } from "../../src/event/event_id.ts";
import { ReplicationDecoder } from "../../src/postgres/pgoutput/replication_decoder.ts";
import { Models } from "../../src/twin/models.ts";
import { type CaptureName, readCapture } from "../support/captures.ts";
import { twinOutcome } from "../support/twin_items.ts";

// What PostgreSQL with Apache AGE sent, and the history that the statements in its .sql file mean.

async function eventsOf(name: CaptureName, trackLastUpdatedBy = false) {
  const { items } = await twinOutcome(new ReplicationDecoder().decode(readCapture(name)));
  const models = new Models();
  const factory = new EventFactory({
    source: "https://twins.example/",
    systemIdentifier: "7412345678901234567",
    database: "twins",
    severalGraphs: false,
    models,
    trackLastUpdatedBy,
  });
  return items.flatMap((item) => {
    if (item.kind === "settle" || item.kind === "snapshot") return [];
    if (item.kind !== "telemetry") models.follow(item);
    return factory.eventsOf(item, "DataHistory").map(({ event }) => event);
  });
}

/** `Property.Event room-a {…}`, as the body is written; `@` is the event's own time and source. */
async function linesOf(name: CaptureName, trackLastUpdatedBy?: boolean): Promise<string[]> {
  return (await eventsOf(name, trackLastUpdatedBy)).map(({ type, subject, time, source, data }) => {
    const at = `"timeStamp":"${time}","serviceId":"${source}"`;
    assert(data.includes(at), data);
    return `${type.replace("Konnektr.DigitalTwins.", "")} ${subject} ${data.replace(at, "@")}`;
  });
}

function lifecycle(twin: string, action: string, model: string): string {
  return `Twin.Lifecycle ${twin} {"twinId":"${twin}","action":"${action}",@,"modelId":"${model}"}`;
}

function propertyOf(twin: string, model: string) {
  return (name: string, operation: string, type: string, value: string, more = "") =>
    `Property.Event ${twin} {"twinId":"${twin}","propertyName":"${name}","propertyValue":${value},` +
    `"propertyType":"${type}","operation":"${operation}",@,"modelId":"${model}"${more}}`;
}

Deno.test("basic: the history of twins and relationships", async () => {
  const roomA = propertyOf("room-a", "dtmi:example:Room;1");
  const roomB = propertyOf("room-b", "dtmi:example:Room;1");
  const edge = propertyOf("edge-values", "dtmi:example:Odd;1");
  const link = "floor-1/relationships/rel-1";
  const linkLifecycle = (action: string) =>
    `Relationship.Lifecycle ${link} {"relationshipId":"rel-1","action":"${action}","name":"contains",` +
    `"source":"floor-1","target":"room-a",@}`;
  const linkProperty = (operation: string, value: string) =>
    `Property.Event ${link} {"twinId":"floor-1","propertyName":"relationshipProperty","propertyValue":${value},` +
    `"propertyType":"string","operation":"${operation}",@,"relationshipId":"rel-1","relationshipTarget":"room-a"}`;
  assert.deepEqual(await linesOf("basic"), [
    // A model has no history.
    lifecycle("room-a", "Create", "dtmi:example:Room;1"),
    roomA("Humidity", "Add", "integer", "45"),
    roomA("Temperature", "Add", "double", "21.5"),
    roomA("Temperature", "Replace", "double", "22.0", ',"sourceTimeStamp":"2026-01-01T12:00:04.5000000Z"'),
    // Only its lastUpdateTime moved: the value was written again.
    roomA("Temperature", "Replace", "double", "22.0"),
    lifecycle("floor-1", "Create", "dtmi:example:Floor;1"),
    linkLifecycle("Create"),
    linkProperty("Add", '"value"'),
    linkProperty("Replace", '"newValue"'),
    lifecycle("room-b", "Create", "dtmi:example:Room;1"),
    roomB("dims", "Add", "object", '{"h": 4.5, "w": 3.2}'),
    roomB("tags", "Add", "object", '{"wing": "east", "floor": "1"}'),
    roomB("series", "Add", "array", "[1, 2, 3]"),
    roomB("thermostat.Setpoint", "Add", "double", "20.5"),
    roomB("tags", "Replace", "object", '{"floor": "2"}'),
    roomB("series", "Replace", "array", "[1, 2, 3, 4]"),
    roomB("thermostat.Setpoint", "Replace", "double", "21.0"),
    lifecycle("edge-values", "Create", "dtmi:example:Odd;1"),
    edge("no", "Add", "boolean", "false"),
    edge("arr", "Add", "array", '[1, 2.5, "x", null, true, {"a": 1.5}]'),
    edge("big", "Add", "long", "9007199254740993"),
    edge("dec", "Add", "double", "1.1"),
    edge("inf", "Add", "string", '"Infinity"'),
    edge("min", "Add", "long", "-9223372036854775808"),
    edge("nan", "Add", "string", '"NaN"'),
    edge("neg", "Add", "double", "-0.0"),
    edge("yes", "Add", "boolean", "true"),
    edge("huge", "Add", "double", "1e+300"),
    edge("name", "Add", "string", '"café \\n \\"q\\" \\\\ \\u0001 😀"'),
    edge("ninf", "Add", "string", '"-Infinity"'),
    edge("tiny", "Add", "double", "5e-324"),
    edge("a/b~c", "Add", "integer", "2"),
    edge("empty", "Add", "string", '""'),
    edge("exact", "Add", "double", "22.0"),
    edge("emptyMap", "Add", "object", "{}"),
    edge("emptyList", "Add", "array", "[]"),
    edge("key with space", "Add", "integer", "1"),
    lifecycle("merged", "Create", "dtmi:example:Room;1"),
    propertyOf("merged", "dtmi:example:Room;1")("Temperature", "Add", "double", "1.5"),
    // The ghost was created and deleted in one transaction.
    roomA("Temperature", "Replace", "double", "23.0"),
    roomB("dims", "Replace", "object", '{"h": 4.75, "w": 3.2}'),
    roomA("Humidity", "Replace", "integer", "46"),
    roomA("Temperature", "Replace", "double", "24.0"),
    roomA("Humidity", "Remove", "integer", "null"),
    linkLifecycle("Delete"),
    lifecycle("room-a", "Delete", "dtmi:example:Room;1"),
  ]);
});

/** With the properties that `by` names updated by somebody. */
function expectedOfApi(by: Readonly<Record<"atCreation" | "atModelChange", string>>): string[] {
  const first = propertyOf("boiler-1", "dtmi:example:Boiler;1");
  const second = propertyOf("boiler-1", "dtmi:example:Boiler;2");
  const room = "dtmi:example:Room;1";
  const created = (twin: string, name: string, value: string) => [
    lifecycle(twin, "Create", room),
    propertyOf(twin, room)(name, "Add", "integer", value),
  ];
  return [
    // A PUT of a new twin: a stub, then its values.
    lifecycle("boiler-1", "Create", "dtmi:example:Boiler;1"),
    first("Pressure", "Add", "double", "2.5", by.atCreation),
    first("thermostat.Mode", "Add", "string", '"auto"'),
    first("thermostat.Setpoint", "Add", "double", "20.5"),
    // UpdateComponent.
    first("thermostat.Setpoint", "Replace", "double", "21.0"),
    // The component written again, unchanged.
    first("thermostat.Mode", "Replace", "string", '"auto"'),
    first("thermostat.Setpoint", "Replace", "double", "21.0"),
    // A sourceTime alone; 21.0 is now written 21.
    first("Pressure", "Replace", "double", "2.5", ',"sourceTimeStamp":"2026-01-01T11:59:59.5000000Z"'),
    // The model changes; Pressure is written again.
    lifecycle("boiler-1", "Update", "dtmi:example:Boiler;2"),
    second("Pressure", "Replace", "double", "2.5", by.atModelChange),
    second("thermostat.Mode", "Remove", "string", "null"),
    second("thermostat.Setpoint", "Remove", "integer", "null"),
    // A PUT without $dtId.
    ...created("nameless", "T", "3"),
    // A batch of two new twins and one known.
    ...created("batch-1", "n", "1"),
    second("n", "Add", "integer", "2"),
    second("Pressure", "Remove", "double", "null"),
    ...created("batch-3", "n", "3"),
    // As AGE 1.8 sends a batch: all stubs, then all values.
    ...created("late-1", "n", "1"),
    ...created("late-2", "n", "2"),
    ...created("late-3", "n", "3"),
  ];
}

Deno.test("api: the history of rows as AgeDigitalTwins writes them", async () => {
  assert.deepEqual(await linesOf("api"), expectedOfApi({ atCreation: "", atModelChange: "" }));
});

Deno.test("api: who updated a property, where that is tracked", async () => {
  const by = { atCreation: ',"updatedBy":"ann"', atModelChange: ',"updatedBy":"bob"' };
  assert.deepEqual(await linesOf("api", true), expectedOfApi(by));
});

Deno.test("the events of one change are numbered in order", async () => {
  const [created, humidity, temperature, replaced] = await eventsOf("basic");
  const numbers = [created, humidity, temperature, replaced].map((event) => {
    const { index, format } = readEventId(event?.id ?? "") ?? {};
    return [event?.partitionkey, event?.sequence?.slice(-4), format, index];
  });
  assert.deepEqual(numbers, [
    ["room-a", "0000", "DataHistory", 0],
    ["room-a", "0001", "DataHistory", 1],
    ["room-a", "0002", "DataHistory", 2],
    ["room-a", "0000", "DataHistory", 0],
  ]);
});
