import { z } from "zod";
import { configurationSchema, FREE_KEY, type SinkKinds } from "./schema.ts";
import { jsonForms } from "./values.ts";

/** The JSON Schema (draft 2020-12) of a configuration file as people write it, `${…}` included. */
export function jsonSchemaOf(kinds: SinkKinds): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(configurationSchema(kinds), {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      const form = jsonForms.get(zodSchema);
      if (!form) return;
      const { description } = jsonSchema;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      Object.assign(jsonSchema, description !== undefined && { description }, form);
    },
  });
  return {
    $schema,
    title: "Twinrouter configuration",
    ...schema,
    patternProperties: { [FREE_KEY.source]: { description: "Free, for anchors that the rest refers to" } },
  };
}
