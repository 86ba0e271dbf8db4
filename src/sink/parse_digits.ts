/** V8 has both (ECMAScript 2026, "JSON.parse source text access"); TypeScript's library does not know them yet. */
const { parse, rawJSON } = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
};

/** Parses JSON so that `JSON.stringify` gives every number back as it was written: `22.0` stays `22.0`. */
export function parseKeepingDigits(json: string): unknown {
  return parse(json, (_key, value, { source }) => typeof value === "number" ? rawJSON(source) : value);
}
