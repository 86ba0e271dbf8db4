import type { CloudEvent } from "../event/cloud_event.ts";

/** Media type of `structuredJson`'s text. */
export const STRUCTURED_JSON_TYPE = "application/cloudevents+json; charset=utf-8";

/**
 * An event's CloudEvents attributes in the order in which they are written, without `specversion`, which is always
 * "1.0", and `datacontenttype`, which some bindings write elsewhere. All are strings but `snapshot`, which is `true`.
 */
export const ATTRIBUTES = [
  "id",
  "type",
  "source",
  "subject",
  "time",
  "dataschema",
  "partitionkey",
  "sequence",
  "traceparent",
  "snapshot",
] as const satisfies readonly (keyof CloudEvent)[];

/**
 * One event in the CloudEvents JSON format, on one line. The body is spliced in as it is, so that its numbers keep
 * their digits; only line breaks between its tokens become spaces. An optional attribute that is empty is left out,
 * since the specification knows no empty ones.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 */
export function structuredJson(event: CloudEvent): string {
  let json = '{"specversion":"1.0","id":' + JSON.stringify(event.id) +
    ',"type":' + JSON.stringify(event.type) +
    ',"source":' + JSON.stringify(event.source);
  if (event.subject) json += ',"subject":' + JSON.stringify(event.subject);
  json += ',"time":' + JSON.stringify(event.time) + ',"datacontenttype":"application/json"';
  if (event.dataschema) json += ',"dataschema":' + JSON.stringify(event.dataschema);
  if (event.partitionkey) json += ',"partitionkey":' + JSON.stringify(event.partitionkey);
  if (event.sequence) json += ',"sequence":' + JSON.stringify(event.sequence);
  if (event.traceparent) json += ',"traceparent":' + JSON.stringify(event.traceparent);
  if (event.snapshot) json += ',"snapshot":true';
  return json + ',"data":' + onOneLine(event.data) + "}";
}

/** JSON has line breaks between tokens only: inside a string they are always escaped. */
function onOneLine(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replace(/[\r\n]/g, " ") : json;
}
