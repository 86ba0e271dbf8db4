import { Buffer } from "node:buffer";
import { ATTRIBUTES, STRUCTURED_JSON_TYPE, structuredJson } from "../../src/sink/encode.ts";
import type { CloudEvent } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { MqttOptions } from "./config.ts";
import { TopicTemplate } from "./topic_template.ts";

/** What of a PUBLISH packet makes the event. */
export interface Message {
  readonly topic: string;
  readonly payload: string;
  /** MQTT 5. */
  readonly contentType: string | undefined;
  readonly userProperties: Readonly<Record<string, string>> | undefined;
  /** Bytes of the packet, without a topic alias. */
  readonly size: number;
}

/** A string of MQTT has its length, in bytes, in 16 bits. */
const STRING_BYTES = 65_535;
/** A packet's length has four bytes of seven bits, beside its first byte. */
const PACKET_BYTES = 268_435_460;

/**
 * What the UTF-8 strings of MQTT cannot have, or brokers refuse. CloudEvents allows none of it in an attribute either;
 * a twin's id may have it all the same.
 */
// deno-lint-ignore no-control-regex
const NO_STRING = /[\u0000-\u001f\u007f-\u009f]|\p{Noncharacter_Code_Point}|\p{Surrogate}/u;

type MessageOptions = Pick<MqttOptions, "topic" | "protocolVersion" | "contentMode" | "qos">;

/**
 * Makes messages of events, as CloudEvents' MQTT binding says. In binary mode an event that no user properties can
 * carry goes out as structured JSON, which its content type tells.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/mqtt-protocol-binding.md
 */
export class MessageEncoder {
  readonly template: TopicTemplate;
  readonly #options: MessageOptions;

  constructor(options: MessageOptions) {
    this.#options = options;
    this.template = new TopicTemplate(options.topic);
  }

  /** @throws {SinkError} `rejected`, when no packet can hold it or it is larger than `maxBytes` */
  encode(event: CloudEvent, maxBytes = PACKET_BYTES): Message {
    const topic = this.template.topicOf(event);
    const topicBytes = Buffer.byteLength(topic);
    if (topicBytes > STRING_BYTES) {
      throw new SinkError(
        "rejected",
        `Cannot publish an event: its topic has ${topicBytes} bytes, more than MQTT has`,
      );
    }
    const message = this.#message(event, topic);
    const size = packetSize(message, topicBytes, this.#options);
    if (size > Math.min(maxBytes, PACKET_BYTES)) {
      throw new SinkError(
        "rejected",
        `Cannot publish an event: its packet has ${size} bytes, and the broker takes ${maxBytes}`,
      );
    }
    return { ...message, size };
  }

  #message(event: CloudEvent, topic: string): Omit<Message, "size"> {
    const isMqtt5 = this.#options.protocolVersion === "5.0.0";
    const userProperties = this.#options.contentMode === "binary" ? userPropertiesOf(event) : undefined;
    return userProperties
      ? { topic, payload: event.data, contentType: event.datacontenttype, userProperties }
      : {
        topic,
        payload: structuredJson(event),
        contentType: isMqtt5 ? STRUCTURED_JSON_TYPE : undefined,
        userProperties,
      };
  }
}

/** The attributes as section 3.1.3 wants them; undefined when a value is one that they cannot carry. */
function userPropertiesOf(event: CloudEvent): Record<string, string> | undefined {
  const properties: Record<string, string> = { specversion: "1.0" };
  for (const name of ATTRIBUTES) {
    const value = event[name];
    if (!value) continue;
    const text = String(value);
    if (NO_STRING.test(text) || text.length * 3 > STRING_BYTES && Buffer.byteLength(text) > STRING_BYTES) {
      return undefined;
    }
    properties[name] = text;
  }
  return properties;
}

/**
 * MQTT 5, section 3.3: one byte, Remaining Length, topic, packet identifier (QoS 1 and 2), and (MQTT 5) the properties'
 * length and properties, then the payload.
 */
function packetSize(
  { payload, contentType, userProperties }: Omit<Message, "size">,
  topicBytes: number,
  { qos, protocolVersion }: MessageOptions,
): number {
  let remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + Buffer.byteLength(payload);
  if (protocolVersion === "5.0.0") {
    let properties = contentType === undefined ? 0 : 3 + Buffer.byteLength(contentType);
    for (const [name, value] of Object.entries(userProperties ?? {})) {
      properties += 5 + name.length + Buffer.byteLength(value);
    }
    remaining += variableBytes(properties) + properties;
  }
  return 1 + variableBytes(remaining) + remaining;
}

/** How many bytes a Variable Byte Integer has. */
function variableBytes(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}
