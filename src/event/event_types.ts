/** Every type of event that the router makes, under the key by which a route's `typeMappings` rename it. */
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
