import { sinkKinds } from "../sinks/registry.ts";
import { jsonSchemaOf } from "../src/config/json_schema.ts";

/** Beside this file. */
export const EVENTS_SCHEMA: URL = new URL("events.schema.json", import.meta.url);

/** The text of docs/events.schema.json. */
export function eventsSchemaText(): string {
  return `${JSON.stringify(jsonSchemaOf(sinkKinds), null, 2)}\n`;
}

if (import.meta.main) await Deno.writeTextFile(EVENTS_SCHEMA, eventsSchemaText());
