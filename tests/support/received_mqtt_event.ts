import { MQTT, type MQTTMessage } from "cloudevents";
import {
  asOneEvent,
  attributesOf,
  readStructuredEvent,
  type ReceivedEvent,
  typed,
} from "./received_event.ts";

/** Reads an event of whichever mode; before MQTT 5 it can only be structured. */
export function readMqttEvent({ payload, properties }: {
  readonly payload: string;
  readonly properties:
    | { readonly contentType?: string; readonly userProperties?: Readonly<Record<string, unknown>> }
    | undefined;
}): ReceivedEvent {
  const { contentType, userProperties = {} } = properties ?? {};
  const message: MQTTMessage<string> = {
    PUBLISH: { "Content Type": contentType },
    headers: { ...userProperties } as Record<string, string>,
    body: payload,
    payload,
    "User Properties": { ...userProperties } as Record<string, string>,
  };
  if (contentType === undefined) return readStructuredEvent(payload);
  const event = asOneEvent(MQTT.toEvent(message));
  if (contentType.startsWith("application/cloudevents")) return readStructuredEvent(payload);
  // What the package leaves out: the content type is the data's.
  const written = { ...userProperties, datacontenttype: contentType };
  return { attributes: attributesOf({ ...event, ...written, ...typed(event) }, written), data: payload };
}
