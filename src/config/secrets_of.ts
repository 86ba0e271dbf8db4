import type { z } from "zod";
import type { ConfigDocument, Located } from "./config_document.ts";
import { embeddedPasswords } from "./embedded_passwords.ts";
import { isSecret, schemasAt, schemasBelow } from "./schema_at.ts";

/** Every value of the file, right or wrong, that may not be shown. */
export function secretsOf(document: ConfigDocument, schema: z.ZodType): Set<string> {
  const secrets = new Set(document.secrets);
  const collect = (located: Located, schemas: readonly z.core.$ZodType[], within: boolean): void => {
    const secret = within || isSecret(schemas);
    const { value, children } = located;
    if (secret && (typeof value === "string" || typeof value === "number")) secrets.add(String(value));
    if (typeof value === "string") embeddedPasswords(value).forEach((password) => secrets.add(password));
    for (const [key, child] of children ?? []) collect(child, schemasBelow(schemas, key), secret);
  };
  collect(document.root, schemasAt(schema, []), false);
  secrets.delete("");
  return secrets;
}
