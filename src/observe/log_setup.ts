import { configureSync, type LogLevel, type LogRecord, resetSync } from "@logtape/logtape";
import { jsonFormatter, type LogFormatter, textFormatter } from "./log_format.ts";
import { type ByteWriter, LogWriter } from "./log_writer.ts";
import { Redaction } from "./redaction.ts";

/** `off` says nothing at all. */
const LOG_LEVELS = ["debug", "info", "warn", "error", "off"] as const;
const LOG_FORMATS = ["json", "text"] as const;

export interface LogSettings {
  readonly level: (typeof LOG_LEVELS)[number];
  readonly format: (typeof LOG_FORMATS)[number];
  readonly colours: boolean;
}

/**
 * Reads TWINROUTER_LOG_LEVEL (default `info`), TWINROUTER_LOG_FORMAT (default `text` on a terminal, else `json`) and
 * NO_COLOR.
 * @throws {TypeError} when a variable has another value than it may have
 */
export function logSettings(
  environment: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean = Deno.stderr.isTerminal(),
): LogSettings {
  return {
    level: oneOf(environment, "TWINROUTER_LOG_LEVEL", LOG_LEVELS) ?? "info",
    format: oneOf(environment, "TWINROUTER_LOG_FORMAT", LOG_FORMATS) ?? (isTerminal ? "text" : "json"),
    colours: isTerminal && !environment["NO_COLOR"],
  };
}

/** The configured log. Disposing of it writes out what waits and makes the log silent. */
export interface Logging extends AsyncDisposable {
  /** What is masked in every record; secrets that become known later are added to it. */
  readonly redaction: Redaction;
  /** Resolves once all that was logged is written; never rejects. */
  flush(): Promise<void>;
}

export interface LoggingOptions extends Partial<LogSettings> {
  readonly secrets?: Iterable<string>;
  /** Default: standard error. */
  readonly target?: ByteWriter;
}

/**
 * Sends every component's log to standard error. A record never makes the program wait or fail, and shows `***` in
 * place of a secret. Configuring again replaces what was configured before.
 */
export function configureLogging(options: LoggingOptions = {}): Logging {
  const { level, format, colours } = { ...logSettings(Deno.env.toObject()), ...options };
  const redaction = new Redaction(options.secrets);
  const formatter = format === "json" ? jsonFormatter(redaction) : textFormatter(redaction, { colours });
  const writer = new LogWriter(options.target ?? Deno.stderr, (count) => formatter(droppedRecord(count)));
  const sinks = level === "off" ? [] : ["main"];
  configureSync({
    reset: true,
    sinks: { main: (record) => writer.push(safely(formatter, record)) },
    loggers: [
      { category: ["twinrouter"], lowestLevel: LOGTAPE_LEVELS[level], sinks },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks },
    ],
  });
  return {
    redaction,
    flush: () => writer.flush(),
    async [Symbol.asyncDispose]() {
      resetSync();
      await writer.flush();
    },
  };
}

const LOGTAPE_LEVELS: Readonly<Record<LogSettings["level"], LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
  off: "fatal",
};

/** A record that cannot be formatted is told of without what is in it. */
function safely(formatter: LogFormatter, record: LogRecord): string {
  try {
    return formatter(record);
  } catch {
    return formatter({ ...record, message: [UNWRITABLE], rawMessage: UNWRITABLE, properties: {} });
  }
}

const UNWRITABLE = "A log record could not be written";

function droppedRecord(count: number): LogRecord {
  const message = "Log records were dropped: whoever reads standard error does not keep up";
  return {
    category: ["twinrouter", "log"],
    level: "warning",
    timestamp: Date.now(),
    message: [message],
    rawMessage: message,
    properties: { count },
  };
}

function oneOf<const Word extends string>(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const value = environment[name];
  if (value === undefined || value === "") return undefined;
  const word = words.find((each) => each === value.toLowerCase());
  if (word === undefined) {
    throw new TypeError(`Cannot set up the log: ${name} must be one of ${words.join(", ")}`);
  }
  return word;
}
