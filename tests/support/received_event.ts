import assert from "node:assert/strict";
import { type CloudEvent as PackageEvent, HTTP, Kafka, type KafkaMessage } from "cloudevents";

/** An event as it arrived, read by the `cloudevents` package, which had no part in sending it. */
export interface ReceivedEvent {
  /** Every attribute, extensions included, by name. */
  readonly attributes: ReceivedAttributes;
  /** The body's text, as it arrived. */
  readonly data: string;
}

/** Of their CloudEvents types: strings, but for `snapshot`, which is a Boolean. */
export interface ReceivedAttributes {
  readonly id: string;
  readonly partitionkey?: string;
  readonly snapshot?: boolean;
  readonly [name: string]: string | boolean | undefined;
}

/** Reads an event in the JSON format. */
export function readStructuredEvent(text: string): ReceivedEvent {
  const headers = { "content-type": "application/cloudevents+json; charset=utf-8" };
  const event = asOneEvent(HTTP.toEvent({ headers, body: text }));
  // Inside a string quotes are escaped: the first such mark is the member itself.
  const mark = text.indexOf(',"data":');
  assert(mark > 0 && text.endsWith("}"), `no data in ${text}`);
  return { attributes: attributesOf(event, JSON.parse(text)), data: text.slice(mark + 8, -1) };
}

/** Reads a batch in the JSON format, as a whole and event by event. */
export function readBatchedEvents(text: string): ReceivedEvent[] {
  const headers = { "content-type": "application/cloudevents-batch+json; charset=utf-8" };
  const parsed = HTTP.toEvent({ headers, body: text });
  assert(Array.isArray(parsed), "an event instead of a batch");
  const events = elementsOf(text).map(readStructuredEvent);
  assert.deepEqual(parsed.map(({ id }) => id), events.map(({ attributes }) => attributes.id));
  return events;
}

/** The texts of a JSON array's elements, which are objects. */
function elementsOf(array: string): string[] {
  const elements: string[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of array.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === "{" || token === "[") {
      if (++depth === 2) start = index;
    } else if ((token === "}" || token === "]") && --depth === 1) {
      elements.push(array.slice(start, index + 1));
    }
  }
  return elements;
}

/** Reads an event in HTTP binary mode. The package does not decode header values, so that is done before. */
export function readHttpBinaryEvent(headers: ReadonlyMap<string, string>, body: string): ReceivedEvent {
  const decoded: Record<string, string> = {};
  for (const [name, value] of headers) {
    decoded[name] = name.startsWith("ce-") ? decodeURIComponent(value) : value;
  }
  assert(!("ce-datacontenttype" in decoded), "the binding forbids ce-datacontenttype");
  const event = asOneEvent(HTTP.toEvent({ headers: { ...decoded }, body }));
  const written: Record<string, unknown> = { datacontenttype: decoded["content-type"] };
  for (const [name, value] of Object.entries(decoded)) {
    if (name.startsWith("ce-")) written[name.slice(3)] = value;
  }
  return { attributes: attributesOf({ ...event, ...typed(event) }, written), data: body };
}

/** Reads a Kafka record, whatever its content mode. */
export function readKafkaEvent(
  key: string,
  headers: Readonly<Record<string, string>>,
  value: string,
): ReceivedEvent {
  const message: KafkaMessage<string> = { key, headers: { ...headers }, value, body: value };
  const event = asOneEvent(Kafka.toEvent<unknown>(message));
  assert.equal(event.partitionkey, key);
  if (headers["content-type"]?.startsWith("application/cloudevents")) return readStructuredEvent(value);
  assert(!("ce_datacontenttype" in headers), "the binding has the content type in its own header alone");
  const written: Record<string, unknown> = { datacontenttype: headers["content-type"] };
  for (const [name, header] of Object.entries(headers)) {
    if (name.startsWith("ce_")) written[name.slice(3)] = header;
  }
  return { attributes: attributesOf({ ...event, ...typed(event) }, written), data: value };
}

/**
 * Headers are texts; who reads them knows the type of each extension, of which one is not String.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system
 */
export function typed({ snapshot }: Readonly<Record<string, unknown>>): { snapshot?: boolean } {
  if (snapshot === undefined) return {};
  assert(snapshot === "true" || snapshot === "false", `no Boolean: ${snapshot}`);
  return { snapshot: snapshot === "true" };
}

/** What the package understood, but for `time`, which it cuts to milliseconds: that is taken as written. */
export function attributesOf(
  event: Readonly<Record<string, unknown>>,
  written: Readonly<Record<string, unknown>>,
): ReceivedAttributes {
  assert.equal(Date.parse(String(event.time)), Date.parse(String(written.time)));
  const attributes: Record<string, string | boolean> = {};
  for (const [name, value] of Object.entries({ ...event, time: written.time })) {
    if (name === "data" || value === undefined) continue;
    assert.equal(typeof value, name === "snapshot" ? "boolean" : "string", name);
    attributes[name] = value as string | boolean;
  }
  return attributes as unknown as ReceivedAttributes;
}

export function asOneEvent(parsed: ReturnType<typeof HTTP.toEvent<unknown>>): PackageEvent<unknown> {
  assert(!Array.isArray(parsed), "a batch instead of an event");
  const event = parsed as PackageEvent<unknown>;
  event.validate();
  return event;
}
