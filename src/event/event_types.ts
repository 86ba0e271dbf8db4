/** Every type of event that the router makes, under the key by which `typeMappings` rename it. */
export const EVENT_TYPES = {
  TwinCreate: "Konnektr.DigitalTwins.Twin.Create",
  TwinUpdate: "Konnektr.DigitalTwins.Twin.Update",
  TwinDelete: "Konnektr.DigitalTwins.Twin.Delete",
  RelationshipCreate: "Konnektr.DigitalTwins.Relationship.Create",
  RelationshipUpdate: "Konnektr.DigitalTwins.Relationship.Update",
  RelationshipDelete: "Konnektr.DigitalTwins.Relationship.Delete",
  ModelCreate: "Konnektr.DigitalTwins.Model.Create",
  ModelUpdate: "Konnektr.DigitalTwins.Model.Update",
  ModelDelete: "Konnektr.DigitalTwins.Model.Delete",
  Telemetry: "Konnektr.DigitalTwins.Telemetry",
  PropertyEvent: "Konnektr.DigitalTwins.Property.Event",
  TwinLifecycle: "Konnektr.DigitalTwins.Twin.Lifecycle",
  RelationshipLifecycle: "Konnektr.DigitalTwins.Relationship.Lifecycle",
  Gap: "Konnektr.DigitalTwins.Router.Gap",
} as const;

export type EventTypeKey = keyof typeof EVENT_TYPES;

/** What events are called, by key. */
export type EventTypes = Readonly<Record<EventTypeKey, string>>;

/**
 * As AgeDigitalTwins calls its own events; it has none of models, and no gaps.
 * @see https://github.com/konnektr-io/pg-age-digitaltwins/blob/main/src/AgeDigitalTwins.Events/Core/Events/CloudEventFactory.cs
 */
export const KONNEKTR_GRAPH_TYPES = {
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
} as const satisfies EventTypes;

/**
 * As Azure Digital Twins calls them. Model events were in its preview only; of data history it has no types, and no gaps.
 * @see https://learn.microsoft.com/azure/digital-twins/concepts-event-notifications
 */
export const ADT_TYPES = {
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
} as const satisfies EventTypes;
