import { z } from "zod";
import { closest } from "./closest.ts";

/**
 * The kinds of value that a configuration is made of. Each reads the form that people write (`10s`, `64KiB`, `8080`)
 * into the one that the program uses, and takes numbers and flags as text too, because `${NAME}` gives text. Chain
 * `.describe()`, then `.prefault(<as written>)` for a default or `.exactOptional()` for a key that may be left out:
 *
 *     timeout: duration({ min: 1 }).describe("How long one request may take").prefault("10s"),
 *
 * A message never shows a value that may hold a secret, and says what is expected instead of what was found.
 */

/** JSON Schema of a value as it is written, instead of what zod would say. */
export const jsonForms: z.core.$ZodRegistry<Record<string, unknown>, z.core.$ZodType> = z.registry();

/** The schemas whose values must never be shown. */
export const secretValues: z.core.$ZodRegistry<{ readonly secret: true }, z.core.$ZodType> = z.registry();

/** In the JSON Schema, text with a `${…}` in it passes everywhere: what it gives is known at start only. */
const REFERENCE = "\\$\\{";

/** The longest delay that a timer takes (2^31 − 1 ms, 24.8 days); a longer one would fire at once. */
const LONGEST_DURATION = 2 ** 31 - 1;

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Text that is not empty. */
export function text(limits: { maxLength?: number; pattern?: RegExp; expected?: string } = {}) {
  const expected = limits.expected ?? "text";
  const schema = z.string({ error: `expected ${expected}; put it in quotes if it looks like something else` })
    .superRefine((value, context) => {
      if (value === "") context.addIssue("is empty");
      else if (limits.maxLength !== undefined && value.length > limits.maxLength) {
        context.addIssue(`is longer than ${limits.maxLength} characters`);
      } else if (limits.pattern && !limits.pattern.test(value)) context.addIssue(`expected ${expected}`);
    });
  return written(schema, {
    type: "string",
    minLength: 1,
    ...(limits.pattern && { pattern: `${limits.pattern.source}|${REFERENCE}` }),
  });
}

/** Text that no log, error or status page may show. */
export function secret() {
  const schema = z.string({ error: "expected text; put it in quotes" })
    .refine((value) => value !== "", "is empty");
  secretValues.add(schema, { secret: true });
  return written(schema, { type: "string", minLength: 1, writeOnly: true });
}

/** A file's or folder's path; relative ones are meant from the configuration file's folder. */
export function path() {
  return text({ expected: "a path" });
}

/** An absolute URL, kept as written. `protocols` as in `URL.protocol`: `https:`. */
export function url(protocols: readonly string[] = ["https:", "http:"]) {
  const expected = `expected a URL that begins with ${protocols.map((each) => `${each}//`).join(" or ")}`;
  const schema = z.string({ error: expected }).refine(
    (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol),
    expected,
  );
  const start = protocols.map((each) => each.slice(0, -1)).join("|");
  return written(schema, { type: "string", pattern: `^(${start})://|${REFERENCE}` });
}

/** One of some words. */
export function choice<const Word extends string>(words: readonly [Word, ...Word[]]) {
  const expected = `expected ${words.length > 1 ? "one of " : ""}${words.join(", ")}`;
  const schema = z.string({ error: expected }).transform((value, context): Word => {
    const word = words.find((each) => each === value);
    if (word !== undefined) return word;
    const near = closest(value, words);
    context.addIssue(near === undefined ? expected : `${expected}; did you mean ${near}?`);
    return z.NEVER;
  });
  return written(schema, {
    anyOf: [{ type: "string", enum: words }, { type: "string", pattern: REFERENCE }],
  });
}

/** `true` or `false`. */
export function flag() {
  const expected = "expected true or false";
  const schema = z.union([z.boolean(), z.string()], { error: expected }).transform((value, context) => {
    if (typeof value === "boolean") return value;
    if (/^(true|false)$/i.test(value)) return value.toLowerCase() === "true";
    context.addIssue(expected);
    return z.NEVER;
  });
  return written(schema, { type: ["boolean", "string"], pattern: `^(true|false)$|${REFERENCE}` });
}

/** A whole number. */
export function integer(limits: { min?: number; max?: number; expected?: string } = {}) {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = limits;
  const expected = `expected ${limits.expected ?? "a whole number"}${range(limits.min, limits.max, String)}`;
  const schema = z.union([z.number(), z.string()], { error: expected }).transform((value, context) => {
    const number = typeof value === "number" ? value : /^[+-]?\d+$/.test(value) ? Number(value) : NaN;
    if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
    context.addIssue(expected);
    return z.NEVER;
  });
  return written(schema, {
    type: ["integer", "string"],
    ...(limits.min !== undefined && { minimum: limits.min }),
    ...(limits.max !== undefined && { maximum: limits.max }),
    pattern: `^[+-]?\\d+$|${REFERENCE}`,
  });
}

/** A TCP port; with `{ any: true }` also 0, which lets the system choose. */
export function port(options: { any?: boolean } = {}) {
  return integer({ min: options.any ? 0 : 1, max: 65535, expected: "a port" });
}

/** `200ms`, `10s`, `5m`, `1h`, `1h30m`, `7d` → milliseconds. `min` and `max` in milliseconds. */
export function duration(limits: { min?: number; max?: number } = {}) {
  const { min = 0, max = LONGEST_DURATION } = limits;
  const expected = "expected a duration such as 200ms, 10s, 5m or 1h" +
    range(limits.min, limits.max, (value) => `${value}ms`);
  const schema = z.string({ error: expected }).transform((value, context) => {
    const parts = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(value) ? value.matchAll(/([\d.]+)([a-z]+)/g) : [];
    let milliseconds = NaN;
    for (const [, amount, unit = ""] of parts) {
      milliseconds = (milliseconds || 0) + Number(amount) * (MILLISECONDS[unit] ?? NaN);
    }
    milliseconds = Math.round(milliseconds);
    if (milliseconds >= min && milliseconds <= max) return milliseconds;
    context.addIssue(milliseconds > max && limits.max === undefined ? "expected at most 24d" : expected);
    return z.NEVER;
  });
  return written(schema, { type: "string", pattern: `^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$|${REFERENCE}` });
}

/** `64KiB`, `10MB`, or a number of bytes → bytes. `min` and `max` in bytes. */
export function byteSize(limits: { min?: number; max?: number } = {}) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = limits;
  const expected = "expected a size such as 64KiB, 10MB or 1GiB, or a number of bytes" +
    range(limits.min, limits.max, String);
  const schema = z.union([z.number(), z.string()], { error: expected }).transform((value, context) => {
    const [, amount, unit = "b"] = /^(\d+(?:\.\d+)?) ?([kmg]?i?b)?$/i.exec(String(value)) ?? [];
    const bytes = Math.round(Number(amount) * (BYTES[unit.toLowerCase()] ?? NaN));
    if (bytes >= min && bytes <= max) return bytes;
    context.addIssue(expected);
    return z.NEVER;
  });
  return written(schema, {
    type: ["integer", "string"],
    minimum: min,
    pattern: `^\\d+(\\.\\d+)? ?([kKmMgG]?i?[bB])?$|${REFERENCE}`,
  });
}

function range(min: number | undefined, max: number | undefined, show: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return ` from ${show(min)} to ${show(max)}`;
  if (min !== undefined) return ` of at least ${show(min)}`;
  return max === undefined ? "" : ` of at most ${show(max)}`;
}

function written<Schema extends z.ZodType>(schema: Schema, jsonForm: Record<string, unknown>): Schema {
  jsonForms.add(schema, jsonForm);
  return schema;
}
