import { parseArgs, type ParseArgsConfig } from "node:util";
import manifest from "./deno.json" with { type: "json" };
import { sinkKinds } from "./sinks/registry.ts";
import { runRouter } from "./src/app.ts";
import { check } from "./src/check.ts";
import type { Configuration } from "./src/config/configuration.ts";
import { loadConfiguration } from "./src/config/load_configuration.ts";
import { duration, integer } from "./src/config/values.ts";
import { filterEvents, linesOf, UnreadableEventError } from "./src/filter_events.ts";
import { logOf } from "./src/observe/log.ts";
import { configureLogging } from "./src/observe/log_setup.ts";
import { messageOf } from "./src/observe/message_of.ts";
import { resolveConnectionOptions } from "./src/postgres/connection/connection_string.ts";
import { CesqlFilter } from "./src/route/cesql/cesql_filter.ts";
import type { EventFilter } from "./src/route/event_filter.ts";
import { Filter } from "./src/route/filter/filter.ts";
import { FilterError } from "./src/route/filter/filter_error.ts";
import { openStore } from "./src/open_store.ts";
import { ReloadOccasions } from "./src/reload_occasions.ts";
import { requestSnapshot } from "./src/request_snapshot.ts";
import { type Setup, setUp } from "./src/setup.ts";
import { stopSignal } from "./src/stop_signal.ts";
import { unroutedSinks } from "./src/unrouted_sinks.ts";
import { type DeadLetterOrder, workDeadLetters } from "./src/work_dead_letters.ts";

const USAGE = `twinrouter ${manifest.version}: routes the changes of a digital twin graph as CloudEvents

Usage: twinrouter [COMMAND] [OPTIONS]
       twinrouter filter 'EXPRESSION' [--event FILE]
       twinrouter snapshot [--sink NAME] [--filter 'EXPRESSION'] [--wait]
       twinrouter dlq list|show|replay|drop [ID...] [--sink NAME] [--since TIME] [--filter 'EXPRESSION'] [--all]

Commands:
  run      Route until told to stop (the default)
  check    Try the configuration, the database and every sink, and report all problems
  filter   Print those events that a route's filter matches; 0 if there are any, 1 if none
  snapshot Ask the running router for Create events of all that is there
  dlq      List the dead letters, show them whole, have them delivered again, or drop them
  demo     A building in an embedded PostgreSQL, its changes arriving as events

Options:
  --config FILE   The configuration (default: $TWINROUTER_CONFIG, else ./events.yaml)
  --cesql TEXT    filter: an expression in CloudEvents SQL instead
  --event FILE    filter: one JSON event, or one on each line (default: -, standard input)
  --sink NAME     snapshot: the only sink that gets it; dlq: the letters of this sink
  --filter EXPR   snapshot, dlq: which of its events, as in a route
  --since TIME    dlq: those of the last 30m, 12h or 7d, or since 2026-01-31T12:00:00Z
  --all           dlq replay, dlq drop: all of them
  --json          dlq: one JSON object a line
  --wait          snapshot: stay until it is delivered, and say how far it is
  --for TIME      demo: end after this time, such as 10s
  --seed NUMBER   demo: repeat what goes on
  --help, --version

Exit codes: 0 clean stop, 1 failure, 2 wrong use, or a filter or event that cannot be read.
`;

const OPTIONS = {
  config: { type: "string" },
  cesql: { type: "string" },
  event: { type: "string" },
  sink: { type: "string" },
  filter: { type: "string" },
  wait: { type: "boolean" },
  since: { type: "string" },
  all: { type: "boolean" },
  json: { type: "boolean" },
  for: { type: "string" },
  seed: { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const satisfies ParseArgsConfig["options"];

/** Which of the options each command takes, beside `--help` and `--version`. */
const OPTIONS_OF: Readonly<Record<string, readonly string[]>> = {
  run: ["config"],
  check: ["config"],
  filter: ["cesql", "event"],
  snapshot: ["config", "sink", "filter", "wait"],
  dlq: ["config", "sink", "since", "filter", "all", "json"],
  demo: ["for", "seed"],
};

type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"] & {
  /** What `filter` and `dlq` are given beside their options. */
  readonly words: readonly string[];
};

/** Wrong use of the command line. */
class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What each command does; resolves to the exit code. */
const COMMANDS: Readonly<Record<string, (options: Options, signal: AbortSignal) => Promise<number>>> = {
  async run(options, signal) {
    const file = configurationFile(options);
    using occasions = new ReloadOccasions(file);
    return await route(file, signal, { occasions });
  },

  async check(options, signal) {
    const configuration = readConfiguration(configurationFile(options));
    await using _logging = configureLogging({ secrets: configuration.secrets, level: "off" });
    const troubles = await check(await setUp(configuration, sinkKinds, Deno.env.toObject()), signal);
    for (const { severity, text } of troubles) print(Deno.stderr, `${severity}: ${text}\n`);
    const problems = troubles.filter(({ severity }) => severity === "problem").length;
    if (problems === 0) {
      const { length } = configuration.sinks;
      print(Deno.stdout, `No problems: the database and ${length} ${length === 1 ? "sink" : "sinks"}\n`);
    }
    return problems === 0 ? 0 : 1;
  },

  async filter({ words: [expression], cesql, event = "-" }, signal) {
    const filter = readFilter(expression, cesql);
    let isAny = false;
    for await (const text of filterEvents(filter, linesOf(event, signal))) {
      isAny = true;
      print(Deno.stdout, `${text}\n`);
    }
    return isAny ? 0 : 1;
  },

  async snapshot({ sink, filter, wait = false, ...options }, signal) {
    const configuration = readConfiguration(configurationFile(options));
    await using _logging = configureLogging({ secrets: configuration.secrets, level: "off" });
    const setup = await setUp(configuration, sinkKinds, Deno.env.toObject());
    const wish = { wait, ...(sink !== undefined && { sink }), ...(filter !== undefined && { filter }) };
    for await (const line of requestSnapshot(setup, wish, signal)) print(Deno.stdout, `${line}\n`);
    return 0;
  },

  async dlq(options, signal) {
    const order = readDeadLetterOrder(options);
    const configuration = readConfiguration(configurationFile(options));
    await using _logging = configureLogging({ secrets: configuration.secrets, level: "off" });
    await using store = openStore(await setUp(configuration, sinkKinds, Deno.env.toObject()));
    for await (const line of workDeadLetters(store.deadLetters, order, signal)) {
      print(Deno.stdout, `${line}\n`);
    }
    return 0;
  },

  async demo(options, signal) {
    const forMs = readOption("for", options.for, duration({ min: 1 }));
    const seed = readOption("seed", options.seed, integer({ min: 0 }));
    // No literal: neither the demo nor a PostgreSQL belongs into a compiled program.
    const { runDemo } = await import(["./demo", "mod.ts"].join("/")) as typeof import("./demo/mod.ts");
    await runDemo({
      signal,
      ...(forMs !== undefined && { forMs }),
      ...(seed !== undefined && { seed }),
      runRouter: async (file, stop) => void await route(file, stop, { level: "warn" }),
    });
    return 0;
  },
};

async function route(
  file: string,
  signal: AbortSignal,
  { level, occasions }: { readonly level?: "warn"; readonly occasions?: ReloadOccasions },
): Promise<number> {
  let configuration = readConfiguration(file);
  await using logging = configureLogging({ secrets: configuration.secrets, ...(level && { level }) });
  const make = async (): Promise<Setup> => {
    for (const secret of configuration.secrets) logging.redaction.add(secret);
    const setup = await setUp(configuration, sinkKinds, Deno.env.toObject());
    for (const sink of unroutedSinks(setup)) {
      logOf("setup").warn("Sink gets no events: no route leads to it", { sink });
    }
    occasions?.watchFile(configuration.watch);
    return setup;
  };
  await runRouter(
    await make(),
    signal,
    occasions && {
      occasions: (signal) => occasions.until(signal),
      async read() {
        configuration = readConfiguration(file);
        return await make();
      },
    },
  );
  return 0;
}

function readFilter(expression: string | undefined, cesql: string | undefined): EventFilter {
  if (expression !== undefined && cesql !== undefined) {
    throw new UsageError("filter takes an expression or --cesql, not both");
  }
  if (cesql !== undefined) return new CesqlFilter(cesql);
  if (expression === undefined) throw new UsageError("filter needs an expression");
  return new Filter(expression);
}

const DEAD_LETTER_ACTIONS = ["list", "show", "replay", "drop"] as const;

function readDeadLetterOrder(
  { words, sink, since, filter, all = false, json = false }: Options,
): DeadLetterOrder {
  const [word, ...numbers] = words;
  const action = DEAD_LETTER_ACTIONS.find((each) => each === word);
  if (!action) throw new UsageError(`dlq needs one of ${DEAD_LETTER_ACTIONS.join(", ")}`);
  const wrong = numbers.find((number) => !/^\d{1,9}$/.test(number));
  if (wrong !== undefined) throw new UsageError(`'${wrong}' is no dead letter's id`);
  const isRestricted = numbers.length > 0 || sink !== undefined || since !== undefined ||
    filter !== undefined;
  if ((action === "replay" || action === "drop") && isRestricted === all) {
    throw new UsageError(`dlq ${action} takes ids, --sink, --since or --filter; or --all and none of these`);
  }
  const letters = {
    ...(numbers.length > 0 && { ids: numbers.map(Number) }),
    ...(sink !== undefined && { sink }),
    ...(since !== undefined && { since: readSince(since) }),
  };
  return { action, letters, json, ...(filter !== undefined && { filter: new Filter(filter) }) };
}

/** A time, or how long ago it was, in milliseconds since 1970. */
function readSince(written: string): number {
  const time = /^\d{4}-/.test(written) ? Date.parse(written) : NaN;
  return Number.isNaN(time) ? Date.now() - (readOption("since", written, duration()) ?? 0) : time;
}

function configurationFile({ config }: Options): string {
  return config ?? (Deno.env.get("TWINROUTER_CONFIG") || "./events.yaml");
}

function readConfiguration(file: string): Configuration {
  return loadConfiguration(file, {
    kinds: sinkKinds,
    checkConnection: (connection) => void resolveConnectionOptions(connection, Deno.env.toObject()),
  });
}

/** An option's value as its schema reads it. */
function readOption(
  name: string,
  written: string | undefined,
  schema: {
    safeParse(value: unknown): { data?: number; error?: { issues: readonly { message: string }[] } };
  },
): number | undefined {
  if (written === undefined) return undefined;
  const { data, error } = schema.safeParse(written);
  if (error) throw new UsageError(`--${name}: ${error.issues[0]?.message ?? "is wrong"}`);
  return data;
}

function readCommandLine(args: string[]): { readonly command: string; readonly options: Options } {
  try {
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    const [command = "run", ...more] = positionals;
    if (!Object.hasOwn(COMMANDS, command)) throw new UsageError(`There is no command '${command}'`);
    const taken = ["help", "version", ...OPTIONS_OF[command] ?? []];
    const foreign = Object.keys(values).find((option) => !taken.includes(option));
    if (foreign !== undefined) throw new UsageError(`${command} has no option '--${foreign}'`);
    const words = command === "dlq" ? more : more.slice(0, command === "filter" ? 1 : 0);
    if (more.length > words.length) throw new UsageError(`'${more[words.length]}' is one word too many`);
    return { command, options: { ...values, words } };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // Node.js goes on to say how to write an argument that begins with a dash, which nobody means here.
    const [message = ""] = messageOf(error).split(". To specify");
    throw new UsageError(message, { cause: error });
  }
}

/** A filter with a caret under the mistake in it. */
function showMistake({ message, text, column }: FilterError): string {
  return `${message}\n  ${text.replace(/\s/g, " ")}\n  ${" ".repeat(column - 1)}^\n`;
}

function print(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes: Uint8Array = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}

/** Resolves to the exit code. */
async function main(args: string[]): Promise<number> {
  try {
    const { command, options } = readCommandLine(args);
    if (options.help) return print(Deno.stdout, USAGE), 0;
    if (options.version) return print(Deno.stdout, `${manifest.version}\n`), 0;
    return await COMMANDS[command]?.(options, stopSignal()) ?? 2;
  } catch (error) {
    const message = messageOf(error);
    if (error instanceof UsageError) {
      print(Deno.stderr, `${message}\n\n${USAGE}`);
      return 2;
    }
    print(Deno.stderr, error instanceof FilterError ? showMistake(error) : `${message}\n`);
    return error instanceof FilterError || error instanceof UnreadableEventError ? 2 : 1;
  }
}

Deno.exit(await main(Deno.args));
