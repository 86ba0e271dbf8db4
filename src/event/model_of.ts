import type { JsonText } from "../twin/json_text.ts";

/** The `$model` of a twin or relationship; `undefined` if it names none. */
export function modelOf(body: JsonText): JsonText | undefined {
  const model = body.get("$metadata")?.get("$model");
  return model?.kind === "string" ? model : undefined;
}
