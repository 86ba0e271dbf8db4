import assert from "node:assert/strict";
import { type CloudEvent as PackageEvent, HTTP } from "cloudevents";

/** An event as it arrived, read by the `cloudevents` package, which had no part in sending it. */
export interface ReceivedEvent {
  /** Every attribute, extensions included, by name. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The body's text, as it arrived. */
  readonly data: string;
}

/** Reads an event in the JSON format. */
export function readStructuredEvent(text: string): ReceivedEvent {
  const headers = { "content-type": "application/cloudevents+json; charset=utf-8" };
  const event = asOneEvent(HTTP.toEvent({ headers, body: text }));
  // All attributes are strings, in which quotes are escaped: the first such mark is the member itself.
  const mark = text.indexOf(',"data":');
  assert(mark > 0 && text.endsWith("}"), `no data in ${text}`);
  return { attributes: attributesOf(event, JSON.parse(text)), data: text.slice(mark + 8, -1) };
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
  return { attributes: attributesOf(event, written), data: body };
}

/** What the package understood, but for `time`, which it cuts to milliseconds: that is taken as written. */
function attributesOf(
  event: PackageEvent<unknown>,
  written: Record<string, unknown>,
): Record<string, string> {
  event.validate();
  assert.equal(Date.parse(String(event.time)), Date.parse(String(written.time)));
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(event)) {
    if (name === "data" || value === undefined) continue;
    attributes[name] = name === "time" ? String(written.time) : String(value);
  }
  return attributes;
}

function asOneEvent(parsed: ReturnType<typeof HTTP.toEvent<unknown>>): PackageEvent<unknown> {
  assert(!Array.isArray(parsed), "a batch instead of an event");
  return parsed as PackageEvent<unknown>;
}
