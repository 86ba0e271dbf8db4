import type { SampleEvent } from "./filter_events.ts";

/** The source that a service of Azure Digital Twins gives its notifications. */
export const ADT_INSTANCE = "c.api.wus2.digitaltwins.azure.net";

function sample(
  type: string,
  subject: string,
  data: unknown,
  attributes: Record<string, string> = {},
): SampleEvent {
  return {
    attributes: {
      specversion: "1.0",
      type,
      subject,
      source: ADT_INSTANCE,
      datacontenttype: "application/json",
      ...attributes,
    },
    body: JSON.stringify(data),
  };
}

/** Events as Azure Digital Twins writes them. */
export const ADT_EVENTS = {
  created: sample("Microsoft.DigitalTwins.Twin.Create", "room1", {
    $dtId: "room1",
    $metadata: { $model: "dtmi:example:com:floor4;2", room: { desiredVersion: 2 } },
    temperature: 5.5,
    thermostat: { temperature: 30.5 },
    errorCode: 201,
    poweredOn: true,
    prop: "x",
  }),
  updated: sample("Microsoft.DigitalTwins.Twin.Update", "room1", {
    modelId: "dtmi:example:com:floor4;2",
    patch: [
      { op: "replace", path: "/humidity", value: 40 },
      { op: "replace", path: "/temperature", value: 22.5 },
    ],
  }),
  device: sample("Microsoft.DigitalTwins.Twin.Update", "device1", {
    modelId: "dtmi:sample:genpropchanges:Device;1",
    patch: [{ op: "add", path: "/Temperature", value: 1 }, { op: "remove", path: "/humidity" }],
  }),
  valve: sample("Microsoft.DigitalTwins.Twin.Update", "valve1", {
    modelId: "dtmi:sample:aqueduct:device:valve;1",
    patch: [],
  }),
  deleted: sample("Microsoft.DigitalTwins.Twin.Delete", "floor1", {
    $dtId: "floor1",
    $metadata: { $model: "dtmi:example:com:floor;1", room: { desiredVersion: 1 } },
    temperature: 5.6,
    thermostat: { temperature: 30 },
    errorCode: 200,
    poweredOn: false,
    prop: null,
  }),
  feeds: sample("Microsoft.DigitalTwins.Relationship.Create", "room1/relationships/r1", {
    $relationshipId: "r1",
    $sourceId: "room1",
    $targetId: "room2",
    $relationshipName: "feeds",
  }),
  contains: sample("Microsoft.DigitalTwins.Relationship.Create", "hall/relationships/r2", {
    $relationshipId: "r2",
    $sourceId: "hall",
    $targetId: "room1",
    $relationshipName: "contains",
  }),
  unlinked: sample("Microsoft.DigitalTwins.Relationship.Delete", "hall/relationships/r3", {
    $relationshipId: "r3",
    $sourceId: "hall",
    $targetId: "room2",
    $relationshipName: "feeds",
  }),
  telemetry: sample("microsoft.iot.telemetry", "comp1.comp2", { temperature: 5 }, {
    source: `${ADT_INSTANCE}/digitaltwins/room1`,
    dataschema: "dtmi:example:com:floor4;2",
  }),
  plain: sample("microsoft.iot.telemetry", "comp1", "22", {
    source: `${ADT_INSTANCE}/digitaltwins/room12`,
    datacontenttype: "text/plain",
  }),
  old: sample("microsoft.iot.telemetry", "comp1", "22", {
    source: "elsewhere",
    datacontenttype: "text/plain",
    specversion: "0.3",
  }),
} as const;

export type AdtEventName = keyof typeof ADT_EVENTS;
export const ADT_EVENT_NAMES = Object.keys(ADT_EVENTS) as AdtEventName[];
const TELEMETRY: readonly AdtEventName[] = ["telemetry", "plain", "old"];

function allBut(...left: readonly AdtEventName[]): AdtEventName[] {
  return ADT_EVENT_NAMES.filter((name) => !left.includes(name));
}

/** Filters of event routes there, and which of the events they match. */
export const ADT_FILTERS: readonly (readonly [filter: string, matching: readonly AdtEventName[]])[] = [
  ["true", ADT_EVENT_NAMES],
  ["false", []],
  ["type = 'Microsoft.DigitalTwins.Twin.Update'", ["updated", "device", "valve"]],
  ["type = 'Microsoft.DigitalTwins.Twin.Create'", ["created"]],
  [
    "type = 'Microsoft.DigitalTwins.Twin.Create' OR type = 'Microsoft.DigitalTwins.Twin.Delete'",
    ["created", "deleted"],
  ],
  ["STARTS_WITH(type, 'Microsoft.DigitalTwins.Relationship.')", ["feeds", "contains", "unlinked"]],
  ["type = 'microsoft.iot.telemetry'", TELEMETRY],
  ["type != 'microsoft.iot.telemetry'", allBut(...TELEMETRY)],
  [
    "(type != 'microsoft.iot.telemetry' OR datacontenttype = 'application/json') OR (specversion != '1.0')",
    allBut("plain"),
  ],
  ["type != 'microsoft.iot.telemetry' AND datacontenttype = 'application/json'", allBut(...TELEMETRY)],
  ["source = 'c.api.wus2.digitaltwins.azure.net'", allBut(...TELEMETRY)],
  ["ENDS_WITH(source, '/digitaltwins/room1')", ["telemetry"]],
  ["subject = 'room1'", ["created", "updated"]],
  ["subject = 'room1/relationships/r1'", ["feeds"]],
  ["STARTS_WITH(subject, 'room1/relationships/')", ["feeds"]],
  ["CONTAINS(subject, 'room')", ["created", "updated", "feeds"]],
  ["subject = 'comp1.comp2'", ["telemetry"]],
  ["dataschema = 'dtmi:example:com:floor4;2'", ["telemetry"]],
  ["STARTS_WITH($body.$metadata.$model, 'dtmi:example:com:floor')", ["created", "deleted"]],
  ["ENDS_WITH($body.$metadata.$model, 'floor;1')", ["deleted"]],
  ["$body.modelId = 'dtmi:example:com:floor4;2'", ["updated"]],
  [
    "(type = 'Microsoft.DigitalTwins.Twin.Update') AND ($body.modelId = 'dtmi:sample:genpropchanges:Device;1')",
    ["device"],
  ],
  [
    "type='Microsoft.DigitalTwins.Twin.Update' AND STARTS_WITH($body.modelId, 'dtmi:sample:aqueduct:device:')",
    ["valve"],
  ],
  ["$body.temperature <= 5.5", ["created", "telemetry"]],
  ["$body.errorCode > 200", ["created"]],
  ["$body.poweredOn = true", ["created"]],
  ["$body.prop != null", ["created"]],
  ["$body.$metadata.room.desiredVersion > 1", ["created"]],
  ["$body.thermostat.temperature > 30", ["created"]],
  ["type = 'Microsoft.DigitalTwins.Relationship.Create' AND $body.$relationshipName = 'feeds'", ["feeds"]],
  ["$body.$targetId = 'room1'", ["contains"]],
];
