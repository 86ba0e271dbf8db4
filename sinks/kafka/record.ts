import { Buffer } from "node:buffer";
import type { Message } from "kafkajs";
import { ATTRIBUTES, STRUCTURED_JSON_TYPE, structuredJson } from "../../src/sink/encode.ts";
import type { CloudEvent } from "../../src/sink/sink.ts";

/** An event on its way to a topic. */
export interface KafkaRecord {
  /** In the batch. */
  readonly index: number;
  readonly key: string;
  readonly topic: string;
  readonly message: Message;
  /** In a request, before compression; never less than it takes. */
  readonly bytes: number;
}

export type ContentMode = "binary" | "structured";

/** What a record may take beside its key, value and headers when it is its partition's only one; and what a header does. */
const RECORD_BYTES = 100;
const HEADER_BYTES = 8;

/**
 * The Kafka binding of CloudEvents, its partition key as the record's.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
export function recordOf(event: CloudEvent, index: number, topic: string, mode: ContentMode): KafkaRecord {
  const headers = mode === "binary" ? binaryHeaders(event) : STRUCTURED_HEADERS;
  const value = mode === "binary" ? event.data : structuredJson(event);
  const message = { key: event.partitionkey, value, headers };
  let bytes = RECORD_BYTES + Buffer.byteLength(event.partitionkey) + Buffer.byteLength(value);
  for (const [name, header] of Object.entries(headers)) {
    bytes += HEADER_BYTES + name.length + Buffer.byteLength(header);
  }
  return { index, key: event.partitionkey, topic, message, bytes };
}

const STRUCTURED_HEADERS: Readonly<Record<string, string>> = { "content-type": STRUCTURED_JSON_TYPE };

/** Section 3.2: UTF-8 and, unlike HTTP's, never percent-encoded. */
function binaryHeaders(event: CloudEvent): Record<string, string> {
  const headers: Record<string, string> = { "content-type": event.datacontenttype, ce_specversion: "1.0" };
  for (const name of ATTRIBUTES) {
    const value = event[name];
    if (value) headers[`ce_${name}`] = String(value);
  }
  return headers;
}
