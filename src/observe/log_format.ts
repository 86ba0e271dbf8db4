import type { LogLevel, LogRecord } from "@logtape/logtape";
import { type Plain, plainOf } from "./log_fields.ts";
import type { Redaction } from "./redaction.ts";

/** Writes one record as one line (`json`) or as a few for people (`text`), without secrets and with a newline. */
export type LogFormatter = (record: LogRecord) => string;

/** The names that operators know. */
const LEVELS: Readonly<Record<LogLevel, string>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "error",
};

/** `{"time":…,"level":"info","component":"postgres","message":…,<fields>}` */
export function jsonFormatter(redaction: Redaction): LogFormatter {
  return (record) => {
    const { time, level, component, message, fields } = partsOf(record, redaction);
    const head = { time, level, component, message };
    // A field that is called like one of these keeps its value under another name.
    const rest = Object.entries(fields).map(([key, value]) =>
      [key in head ? `${key}_` : key, value] as const
    );
    return `${JSON.stringify({ ...head, ...Object.fromEntries(rest) })}\n`;
  };
}

const COLOURS: Readonly<Record<string, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};
const DIM = "\x1b[2m";
const RESET = "\x1b[0m";

/** `12:00:00.123 info  postgres: message  key=value`, and an error's causes and stack indented below. */
export function textFormatter(redaction: Redaction, options: { colours: boolean }): LogFormatter {
  const paint = (colour: string, text: string) => options.colours ? `${colour}${text}${RESET}` : text;
  return (record) => {
    const { time, level, component, message, fields } = partsOf(record, redaction);
    const pairs: string[] = [];
    const below: string[] = [];
    for (const [key, value] of Object.entries(fields)) {
      if (isErrorField(value)) below.push(...errorLines(key, value));
      else pairs.push(`${paint(DIM, `${printable(key)}=`)}${shown(value)}`);
    }
    const head = [
      paint(DIM, time.slice(11, 23)),
      paint(COLOURS[level] ?? "", level.padEnd(5)),
      `${paint(DIM, `${printable(component)}:`)} ${printable(message)}`,
    ].join(" ");
    const lines = [[head, ...pairs].join("  "), ...below.map((line) => paint(DIM, `    ${printable(line)}`))];
    return `${lines.join("\n")}\n`;
  };
}

interface Parts {
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly level: string;
  readonly component: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, Plain>>;
}

function partsOf(record: LogRecord, redaction: Redaction): Parts {
  const stacks = record.level === "error" || record.level === "fatal";
  const fields = plainOf(record.properties, redaction, { stacks });
  const [, ...component] = record.category;
  return {
    time: new Date(record.timestamp).toISOString(),
    level: LEVELS[record.level],
    component: component.join("."),
    // As it was given: braces in it are text, not placeholders.
    message: redaction.apply(
      typeof record.rawMessage === "string" ? record.rawMessage : record.message.join(""),
    ),
    fields: isMapping(fields) ? fields : {},
  };
}

interface ErrorField {
  readonly name: string;
  readonly message: string;
  readonly stack?: Plain;
  readonly errors?: Plain;
  readonly cause?: Plain;
}

function errorLines(label: string, error: ErrorField & { readonly [key: string]: Plain }): string[] {
  const { name, message, stack, cause, errors, ...own } = error;
  const details = Object.entries(own).map(([key, value]) => `  ${key}=${shown(value)}`).join("");
  const lines = [`${label}: ${name}: ${message}${details}`];
  if (typeof stack === "string") lines.push(...stack.split("\n").filter((line) => /^\s+at /.test(line)));
  for (const inner of Array.isArray(errors) ? errors as readonly Plain[] : []) {
    if (isErrorField(inner)) lines.push(...errorLines("one of", inner));
  }
  if (isErrorField(cause)) lines.push(...errorLines("cause", cause));
  else if (cause !== undefined) lines.push(`cause: ${shown(cause)}`);
  return lines;
}

function isErrorField(value: Plain | undefined): value is ErrorField & { readonly [key: string]: Plain } {
  return isMapping(value) && typeof value["name"] === "string" && typeof value["message"] === "string";
}

function isMapping(value: Plain | undefined): value is { readonly [key: string]: Plain } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: Plain): string {
  return printable(typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value));
}

/** Without what would move the cursor or forge another line. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "�").replaceAll("\n", "\n    ");
}
