import type { z } from "zod";
import type { Path } from "./problem.ts";
import { secretValues } from "./values.ts";

/** The schemas that may apply at a path below `root`, wrappers and what they wrap, of every branch of a union. */
export function schemasAt(root: z.core.$ZodType, path: Path): readonly z.core.$ZodType[] {
  let schemas: readonly z.core.$ZodType[] = unwrapped(root);
  for (const step of path) schemas = schemasBelow(schemas, step);
  return schemas;
}

/** One step further down from what `schemasAt` gives. */
export function schemasBelow(
  schemas: readonly z.core.$ZodType[],
  step: string | number,
): readonly z.core.$ZodType[] {
  return schemas.flatMap((schema) => {
    const { def } = (schema as z.core.$ZodTypes)._zod;
    if (def.type === "object" && Object.hasOwn(def.shape, step)) return unwrapped(def.shape[step]);
    if (def.type === "object") return unwrapped(def.catchall);
    if (def.type === "array") return unwrapped(def.element);
    if (def.type === "record") return unwrapped(def.valueType);
    return [];
  });
}

/** The keys that a mapping may have, by any of its schemas. */
export function keysOf(schemas: readonly z.core.$ZodType[]): readonly string[] {
  const keys = schemas.flatMap((schema) => {
    const { def } = (schema as z.core.$ZodTypes)._zod;
    return def.type === "object" ? Object.keys(def.shape) : [];
  });
  return [...new Set(keys)];
}

/** Whether any of the schemas is a `secret()`. */
export function isSecret(schemas: readonly z.core.$ZodType[]): boolean {
  // `get` and not `has`: what is chained on a schema makes another, which inherits the mark.
  return schemas.some((schema) => secretValues.get(schema)?.secret === true);
}

function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType[] {
  if (!schema) return [];
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "nonoptional":
    case "readonly":
    case "catch":
      return [schema, ...unwrapped(def.innerType)];
    case "pipe":
      return [schema, ...unwrapped(def.in), ...unwrapped(def.out)];
    case "lazy":
      return [schema, ...unwrapped(def.getter())];
    case "union":
      return [schema, ...def.options.flatMap(unwrapped)];
    case "intersection":
      return [schema, ...unwrapped(def.left), ...unwrapped(def.right)];
    default:
      return [schema];
  }
}
