import assert from "node:assert/strict";
import type { TypeMappings } from "../../src/config/configuration.ts";
import { TYPE_KEYS } from "../../src/config/schema.ts";
import type { EventFormat } from "../../src/event/cloud_event.ts";
import { type Dialect, dialectOf, OWN_DIALECT } from "../../src/event/dialect.ts";
import { EventFactory } from "../../src/event/event_factory.ts";
import { EVENT_TYPES } from "../../src/event/event_types.ts";
import { madeEvents } from "../support/made_events.ts";
import {
  contains,
  deleted,
  inserted,
  message,
  Model,
  transaction,
  truncated,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const twin = (T: number) => ({ $dtId: "a", T });
const relationship = (r: number) => ({ $relationshipId: "r", $sourceId: "a", $targetId: "b", r });
const model = (m: number) => ({ id: "dtmi:example:Room;1", m });

/** Every kind of change. */
const CHANGES = transaction([
  inserted(Twin, 1, twin(1)),
  updated(Twin, 2, twin(1), twin(2)),
  deleted(Twin, 3, twin(2)),
  inserted(contains, 4, relationship(1)),
  updated(contains, 5, relationship(1), relationship(2)),
  deleted(contains, 6, relationship(2)),
  inserted(Model, 7, model(1)),
  updated(Model, 8, model(1), model(2)),
  deleted(Model, 9, model(2)),
  truncated(Twin),
  message("digitaltwins_telemetry", '{"digitalTwinId": "a", "messageId": "m", "graphName": "digitaltwins"}'),
]);

async function eventsOf(format: EventFormat, dialect: Dialect) {
  const factory = new EventFactory({
    source: "https://twins.example/{graph}",
    systemIdentifier: "1",
    database: "twins",
    severalGraphs: false,
  });
  const { items } = await twinOutcome(CHANGES);
  return madeEvents(factory, items, format, { includeMetadata: false, dialect }).map(({ event }) => event);
}

const NOTIFICATIONS = [
  "TwinCreate",
  "TwinUpdate",
  "TwinDelete",
  "RelationshipCreate",
  "RelationshipUpdate",
  "RelationshipDelete",
  "ModelCreate",
  "ModelUpdate",
  "ModelDelete",
  "Gap",
] as const;

const HISTORY = [
  ...["TwinLifecycle", "PropertyEvent", "PropertyEvent", "TwinLifecycle"] as const,
  ...["RelationshipLifecycle", "PropertyEvent", "PropertyEvent", "RelationshipLifecycle"] as const,
  "Gap",
] as const;

const ADT = {
  TwinCreate: "Microsoft.DigitalTwins.Twin.Create",
  TwinUpdate: "Microsoft.DigitalTwins.Twin.Update",
  TwinDelete: "Microsoft.DigitalTwins.Twin.Delete",
  RelationshipCreate: "Microsoft.DigitalTwins.Relationship.Create",
  RelationshipUpdate: "Microsoft.DigitalTwins.Relationship.Update",
  RelationshipDelete: "Microsoft.DigitalTwins.Relationship.Delete",
  ModelCreate: "Microsoft.DigitalTwins.Model.Upload",
  ModelUpdate: "Microsoft.DigitalTwins.Model.Patch",
  ModelDelete: "Microsoft.DigitalTwins.Model.Delete",
  Telemetry: "microsoft.iot.telemetry",
  PropertyEvent: "Microsoft.DigitalTwins.Property.Event",
  TwinLifecycle: "Microsoft.DigitalTwins.Twin.Lifecycle",
  RelationshipLifecycle: "Microsoft.DigitalTwins.Relationship.Lifecycle",
  Gap: "Microsoft.DigitalTwins.Router.Gap",
};

const KONNEKTR_GRAPH = {
  TwinCreate: "Konnektr.Graph.Twin.Create",
  TwinUpdate: "Konnektr.Graph.Twin.Update",
  TwinDelete: "Konnektr.Graph.Twin.Delete",
  RelationshipCreate: "Konnektr.Graph.Relationship.Create",
  RelationshipUpdate: "Konnektr.Graph.Relationship.Update",
  RelationshipDelete: "Konnektr.Graph.Relationship.Delete",
  ModelCreate: "Konnektr.Graph.Model.Create",
  ModelUpdate: "Konnektr.Graph.Model.Update",
  ModelDelete: "Konnektr.Graph.Model.Delete",
  Telemetry: "Konnektr.IoT.Telemetry",
  PropertyEvent: "Konnektr.Graph.Property.Event",
  TwinLifecycle: "Konnektr.Graph.Twin.Lifecycle",
  RelationshipLifecycle: "Konnektr.Graph.Relationship.Lifecycle",
  Gap: "Konnektr.Graph.Router.Gap",
};

Deno.test("the configuration knows every type by its key", () => {
  assert.deepEqual([...TYPE_KEYS], Object.keys(EVENT_TYPES));
});

for (
  const [name, dialect, types] of [
    ["no mappings", OWN_DIALECT, EVENT_TYPES],
    ["the preset konnektr-graph", dialectOf("konnektr-graph"), KONNEKTR_GRAPH],
    ["the preset adt", dialectOf("adt"), ADT],
  ] as const
) {
  Deno.test(`with ${name} every kind of event has its type`, async () => {
    assert.deepEqual(dialect.types, types);
    const notifications = await eventsOf("EventNotification", dialect);
    assert.deepEqual(notifications.map(({ type }) => type), NOTIFICATIONS.map((key) => types[key]));
    const history = await eventsOf("DataHistory", dialect);
    assert.deepEqual(history.map(({ type }) => type), HISTORY.map((key) => types[key]));
    const telemetry = await eventsOf("Telemetry", dialect);
    assert.deepEqual(telemetry.map(({ type }) => type), [types.Telemetry]);
  });
}

Deno.test("a name of one's own takes the place of each type by its key", async () => {
  const own = Object.fromEntries(TYPE_KEYS.map((key) => [key, `Contoso.${key}`]));
  const dialect = dialectOf(own);
  const notifications = await eventsOf("EventNotification", dialect);
  assert.deepEqual(notifications.map(({ type }) => type), NOTIFICATIONS.map((key) => `Contoso.${key}`));
  const history = await eventsOf("DataHistory", dialect);
  assert.deepEqual(history.map(({ type }) => type), HISTORY.map((key) => `Contoso.${key}`));
  const telemetry = await eventsOf("Telemetry", dialect);
  assert.deepEqual(telemetry.map(({ type }) => type), ["Contoso.Telemetry"]);
});

Deno.test("the preset konnektr-graph changes nothing but names", async () => {
  for (const format of ["EventNotification", "DataHistory", "Telemetry"] as const) {
    const own = await eventsOf(format, OWN_DIALECT);
    const named = await eventsOf(format, dialectOf("konnektr-graph"));
    assert.deepEqual(named.map((event, index) => ({ ...event, type: own[index]?.type })), own);
  }
});

Deno.test("an event has the same id, sequence and partition key in every dialect", async () => {
  for (const format of ["EventNotification", "DataHistory", "Telemetry"] as const) {
    const [own, ...others] = await Promise.all(
      [OWN_DIALECT, dialectOf("adt"), dialectOf("konnektr-graph"), dialectOf({ Gap: "Hole" })].map(
        async (dialect) =>
          (await eventsOf(format, dialect)).map((
            { id, sequence, partitionkey },
          ) => [id, sequence, partitionkey]),
      ),
    );
    for (const other of others) assert.deepEqual(other, own);
  }
});

Deno.test("what is nearer comes first, key by key; a preset names everything, and adt its shape too", () => {
  const twinUpdate = (...mappings: (TypeMappings | undefined)[]) => {
    const { shape, types } = dialectOf(...mappings);
    return [shape, types.TwinUpdate, types.TwinDelete];
  };
  const near = { TwinUpdate: "Near" };
  const far = { TwinUpdate: "Far", TwinDelete: "Far.Delete" };
  assert.deepEqual(twinUpdate(undefined, undefined), ["own", EVENT_TYPES.TwinUpdate, EVENT_TYPES.TwinDelete]);
  assert.deepEqual(twinUpdate(near, undefined), ["own", "Near", EVENT_TYPES.TwinDelete]);
  assert.deepEqual(twinUpdate(undefined, far), ["own", "Far", "Far.Delete"]);
  assert.deepEqual(twinUpdate(near, far), ["own", "Near", "Far.Delete"]);
  assert.deepEqual(twinUpdate(near, "adt"), ["adt", "Near", ADT.TwinDelete]);
  assert.deepEqual(twinUpdate("adt", far), ["adt", ADT.TwinUpdate, ADT.TwinDelete]);
  assert.deepEqual(twinUpdate("konnektr-graph", "adt"), [
    "own",
    KONNEKTR_GRAPH.TwinUpdate,
    KONNEKTR_GRAPH.TwinDelete,
  ]);
});
