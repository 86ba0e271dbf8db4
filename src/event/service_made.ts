import type { JsonText } from "../twin/json_text.ts";

/** Objects nested deeper than this are taken as they are, so that no input exhausts the stack. */
export const DEEPEST = 100;

/** Whether patches leave a member out; of a body, or of an object in it, but not in its `$metadata`. */
export function isServiceMade(key: string, includeMetadata: boolean): boolean {
  return key === "$etag" || (!includeMetadata && (key === "$metadata" || key === "$lastUpdateTime"));
}

/** A value as JSON text, without the members that patches leave out. */
export function valueText(value: JsonText, includeMetadata: boolean, depth = 0): string {
  const written = value.toString();
  if (value.kind !== "object" || depth === DEEPEST || !/\$|\\u0024/.test(written)) return written;
  let members = "";
  for (const [key, member] of value.members()) {
    if (isServiceMade(key, includeMetadata)) continue;
    if (members !== "") members += ",";
    members += `${JSON.stringify(key)}:${valueText(member, includeMetadata, depth + 1)}`;
  }
  return `{${members}}`;
}
