import type { Redaction } from "./redaction.ts";

/** What a field becomes: JSON of bounded size without secrets. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

const LONGEST_TEXT = 8_192;
const MOST_ITEMS = 100;
const DEEPEST = 6;

/** Makes anything that a program may put into a log record plain, whatever it is; never throws. */
export function plainOf(value: unknown, redaction: Redaction, options: { stacks: boolean }): Plain {
  const within = new Set<object>();

  function text(value: string): string {
    const redacted = redaction.apply(value);
    return redacted.length > LONGEST_TEXT ? `${redacted.slice(0, LONGEST_TEXT)}…` : redacted;
  }

  function plain(value: unknown): Plain {
    try {
      return plainUnguarded(value);
    } catch (error) {
      return `[unreadable: ${error instanceof Error ? error.name : typeof error}]`;
    }
  }

  function plainUnguarded(value: unknown): Plain {
    switch (typeof value) {
      case "string":
        return text(value);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "boolean":
        return value;
      case "undefined":
        return null;
      case "object":
        return value === null ? null : plainObject(value);
      case "bigint":
      case "symbol":
        return text(String(value));
      case "function":
        return text(`[function ${value.name}]`);
    }
  }

  function plainObject(value: object): Plain {
    if (within.has(value)) return "[circular]";
    if (within.size >= DEEPEST) return "[…]";
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
    if (value instanceof URL || value instanceof RegExp) return text(String(value));
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    within.add(value);
    try {
      if (value instanceof Error) return plainError(value);
      if (Array.isArray(value) || value instanceof Set) {
        return [...value].slice(0, MOST_ITEMS).map((item) => plain(item));
      }
      return plainEntries(value instanceof Map ? value.entries() : Object.entries(value));
    } finally {
      within.delete(value);
    }
  }

  /** Name, message and cause, then what the error says of itself: `code`, `kind`, an LSN. */
  function plainError(error: Error): Plain {
    const { name, message, cause, stack, ...own } = error;
    const errors: unknown = error instanceof AggregateError ? error.errors : undefined;
    return {
      ...plainEntries(Object.entries(own)),
      name: text(String(name)),
      message: text(String(message)),
      ...(options.stacks && typeof stack === "string" && { stack: text(stack) }),
      ...(errors !== undefined && { errors: plain(errors) }),
      ...(cause !== undefined && { cause: plain(cause) }),
    };
  }

  function plainEntries(entries: Iterable<readonly [unknown, unknown]>): Readonly<Record<string, Plain>> {
    const given = [...entries].filter(([, item]) => item !== undefined).slice(0, MOST_ITEMS);
    return Object.fromEntries(given.map(([key, item]) => [text(String(key)), plain(item)]));
  }

  return plain(value);
}
