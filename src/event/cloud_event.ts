import type { Position } from "../postgres/row_change.ts";

/** The formats that a route can ask for. */
export type EventFormat = "EventNotification" | "DataHistory" | "Telemetry";

/**
 * One CloudEvent 1.0. Attribute values are strings ready for any binding; the body is JSON text, encoded by whoever
 * sends it and parsed only when a filter asks.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export interface CloudEvent {
  /** The same whenever the change is delivered again: a UUID version 8; of telemetry, whatever its sender gave it. */
  readonly id: string;
  readonly type: string;
  readonly source: string;
  /** Empty where there is none. */
  readonly subject: string;
  /** RFC 3339, UTC, microseconds or finer. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly dataschema?: string;
  /** Extension: events of one key are delivered in commit order. */
  readonly partitionkey: string;
  /** Extension: text order is commit order. */
  readonly sequence?: string;
  /** Extension: W3C trace context. */
  readonly traceparent?: string;
  /** Extension: it tells what was there already, not that something changed. */
  readonly snapshot?: true;
  /** No attribute, and on no wire: the graph that it is of, which sinks may name topics after. */
  readonly graph?: string;
  /** JSON text. */
  readonly data: string;
}

/** An event with what the router itself needs to know of it. */
export interface RouterEvent {
  readonly event: CloudEvent;
  readonly graph: string;
  readonly format: EventFormat;
  /** Undefined for what did not come in the stream. */
  readonly position: Position | undefined;
  /** Milliseconds since 1970, for latencies. */
  readonly committedAt: number;
}
