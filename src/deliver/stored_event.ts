import type { CloudEvent } from "../event/cloud_event.ts";
import { structuredJson } from "../sink/encode.ts";

/** Before the body, which comes last; inside of a string its quotes would be escaped. */
const BODY = ',"data":';

/** An event in CloudEvents JSON, and with its graph, which is no attribute, in front. */
export function writeStoredEvent(event: CloudEvent): string {
  const json = structuredJson(event);
  return event.graph === undefined ? json : `{"graph":${JSON.stringify(event.graph)},${json.slice(1)}`;
}

/**
 * Reads an event that `structuredJson` or `writeStoredEvent` wrote, its body to the letter.
 * @throws {Error} for anything else
 */
export function readStoredEvent(text: string): CloudEvent {
  const at = text.indexOf(BODY);
  if (at < 0 || !text.endsWith("}")) throw new Error("Cannot read a stored event: it has no body");
  const { specversion: _, ...attributes } = JSON.parse(`${text.slice(0, at)}}`);
  return { subject: "", partitionkey: "", ...attributes, data: text.slice(at + BODY.length, -1) };
}
