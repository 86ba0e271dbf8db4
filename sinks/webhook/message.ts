import { Buffer } from "node:buffer";
import { STRUCTURED_JSON_TYPE, structuredJson } from "../../src/sink/encode.ts";
import { httpBinaryHeaders } from "../../src/sink/encode_http.ts";
import type { CloudEvent } from "../../src/sink/sink.ts";

/** Several events in the JSON batch format. */
const BATCH_JSON_TYPE = "application/cloudevents-batch+json; charset=utf-8";

export type ContentMode = "structured" | "binary" | "batched";

/** What one request carries. */
export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An event of a delivery, written as far as it can be by itself. */
export interface WrittenEvent {
  readonly index: number;
  readonly event: CloudEvent;
  /** In the JSON format; in binary mode only the data. */
  readonly text: string;
}

export function writeEvent(mode: ContentMode, index: number, event: CloudEvent): WrittenEvent {
  return { index, event, text: mode === "binary" ? event.data : structuredJson(event) };
}

/**
 * A message of these events: one of them, unless the mode is batched.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3-http-message-mapping
 */
export function writeMessage(mode: ContentMode, events: readonly WrittenEvent[]): Message {
  const [first] = events;
  if (mode === "batched" || first === undefined) {
    const body = `[${events.map(({ text }) => text).join(",")}]`;
    return { headers: { "content-type": BATCH_JSON_TYPE }, body };
  }
  const headers = mode === "binary"
    ? httpBinaryHeaders(first.event)
    : { "content-type": STRUCTURED_JSON_TYPE };
  return { headers, body: first.text };
}

/** Cuts events into runs whose batches have at most so many bytes; a larger event is a run of its own. */
export function runsWithin(maxBytes: number, events: readonly WrittenEvent[]): WrittenEvent[][] {
  const runs: WrittenEvent[][] = [];
  let run: WrittenEvent[] = [];
  let bytes = 1;
  for (const event of events) {
    const size = Buffer.byteLength(event.text) + 1; // with the bracket or comma after it
    if (run.length === 0 || bytes + size > maxBytes) {
      runs.push(run = []);
      bytes = 1;
    }
    run.push(event);
    bytes += size;
  }
  return runs;
}
