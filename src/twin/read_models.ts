import { readAgtype } from "./agtype.ts";
import { type JsonText, JsonTextError } from "./json_text.ts";
import { MODEL_LABEL, type Models } from "./models.ts";

/** Where the models of each graph can be read as they are now. */
export interface ModelRows {
  labelRows(
    label: string,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly graph: string; readonly properties: readonly string[] }>;
}

/**
 * Makes the models of each graph what its rows say, rows that are no models aside. To be called at a place in the stream
 * before which all is known, and after which no change is missing: what the stream tells again does no harm.
 */
export async function readModels(models: Models, rows: ModelRows, signal: AbortSignal): Promise<void> {
  for await (const { graph, properties } of rows.labelRows(MODEL_LABEL, signal)) {
    models.clear(graph);
    for (const text of properties) {
      const body = bodyIn(text);
      const id = body?.get("id")?.string;
      if (body && id?.startsWith("dtmi:") && !body.get("$dtId")?.string) models.put(graph, id, body);
    }
  }
}

function bodyIn(properties: string): JsonText | undefined {
  try {
    return readAgtype(properties);
  } catch (error) {
    if (error instanceof JsonTextError) return undefined;
    throw error;
  }
}
