import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { cloudEvent } from "./cloud_events.ts";

const AT = { timeStamp: "2026-01-01T12:00:00.123456Z", serviceId: "https://twins.example.com/" };

/** The `number`th event of a test: a twin's property was set. The value is JSON text. */
export function property(number: number, twinId: string, name: string, value: string): CloudEvent {
  const body = { twinId, propertyName: name, propertyType: "double", operation: "Replace", ...AT };
  return cloudEvent(number, {
    type: "Konnektr.DigitalTwins.Property.Event",
    partitionkey: twinId,
    data: JSON.stringify(body).replace(/\}$/, `,"propertyValue":${value}}`),
  });
}

/** The `number`th event of a test: a twin was created. */
export function twinCreated(number: number, twinId: string): CloudEvent {
  return cloudEvent(number, {
    type: "Konnektr.DigitalTwins.Twin.Lifecycle",
    partitionkey: twinId,
    data: JSON.stringify({ twinId, action: "Create", ...AT, modelId: "dtmi:m;1" }),
  });
}
