import { dirname, resolve } from "node:path";
import { messageOf } from "../observe/message_of.ts";
import { Redaction } from "../observe/redaction.ts";
import { checkSchema } from "./check_schema.ts";
import { ConfigDocument } from "./config_document.ts";
import type {
  Configuration,
  ConnectionConfiguration,
  RouteConfiguration,
  SinkConfiguration,
} from "./configuration.ts";
import { crossCheck, TOP } from "./cross_checks.ts";
import { reasonOf, type References } from "./interpolation.ts";
import { ConfigurationError, type Mistake, type Path, quoted } from "./problem.ts";
import { ProblemTeller } from "./problem_teller.ts";
import { resolveRoutes, resolveSinks, resolveSource } from "./resolve.ts";
import {
  configurationSchema,
  connectionSchema,
  FREE_KEY,
  INITIAL_ABOVE_MAX,
  type SinkKinds,
} from "./schema.ts";
import { secretsOf } from "./secrets_of.ts";

/** Larger files are no configuration. */
const MOST_CHARACTERS = 1 << 20;

export interface LoadOptions extends Partial<References> {
  /** The kinds of sink that the file may configure. */
  readonly kinds: SinkKinds;
  /** Throws when no connection can be made of this; asked also when other parts of the file are wrong. */
  readonly checkConnection?: (connection: ConnectionConfiguration) => void;
}

/**
 * Reads a configuration from a YAML file, with `${…}` replaced and every default applied.
 * @throws {ConfigurationError} with everything that is wrong, or because the file cannot be read
 */
export function loadConfiguration(file: string, options: LoadOptions): Configuration {
  const { kinds, environment = Deno.env.toObject(), readTextFile = Deno.readTextFileSync } = options;
  const baseDirectory = resolve(dirname(file));
  const document = new ConfigDocument(readConfigurationFile(file, readTextFile), {
    environment,
    readTextFile: (path) => readTextFile(resolve(baseDirectory, path)),
  });
  const schema = configurationSchema(kinds);
  const secrets = secretsOf(document, schema);
  // libpq's, which counts where the file names no password.
  if (environment["PGPASSWORD"]) secrets.add(environment["PGPASSWORD"]);
  const teller = new ProblemTeller(file, document, schema, new Redaction(secrets));
  const problems = document.mistakes.map((mistake) => teller.tellAt(mistake));
  if (document.root.value === undefined) throw new ConfigurationError(problems);

  const { output, mistakes } = checkSchema(schema, withoutFreeKeys(document.root.value));
  const connection = connectionMistakes(document, baseDirectory, options.checkConnection);
  for (const mistake of [...mistakes, ...crossCheck(document), ...connection]) {
    if (!document.mistakes.some((known) => isEcho(mistake, known))) problems.push(teller.tell(mistake));
  }
  if (problems.length > 0 || !output) throw new ConfigurationError(problems);

  const {
    eventSource,
    trackLastUpdatedBy,
    maxBatchSize,
    http,
    watch,
    shutdownTimeout,
    store,
    deadLetterFile,
    ...rest
  } = output.events.config;
  const sinks = resolveSinks(rest.eventSinks, rest);
  const routes = resolveRoutes(rest.eventRoutes, sinks, kinds);
  const contradictions = [...retryMistakes(sinks), ...formatMistakes(routes, sinks, kinds)];
  if (contradictions.length > 0) {
    throw new ConfigurationError(contradictions.map((each) => teller.tell(each)));
  }
  return {
    file,
    baseDirectory,
    ...(eventSource !== undefined && { eventSource }),
    trackLastUpdatedBy,
    maxBatchSize,
    source: resolveSource(rest.source, baseDirectory),
    http,
    watch,
    shutdownTimeout,
    store: store === "postgres" ? store : { sqlite: resolve(baseDirectory, store.sqlite) },
    ...(deadLetterFile !== undefined && { deadLetterFile: resolve(baseDirectory, deadLetterFile) }),
    sinks,
    routes,
    secrets,
    problemAt: (path, message) => teller.tell({ path, message, where: "value" }),
  };
}

function retryMistakes(sinks: readonly SinkConfiguration[]): Mistake[] {
  return sinks.filter(({ retry }) => retry.initial > retry.max).map(({ path }) => (
    { path: [...path, "retry"], message: `initial ${INITIAL_ABOVE_MAX}`, where: "key" }
  ));
}

/** Of routes to sinks that take no events of their format. */
function formatMistakes(
  routes: readonly RouteConfiguration[],
  sinks: readonly SinkConfiguration[],
  kinds: SinkKinds,
): Mistake[] {
  const byName = new Map(sinks.map((sink) => [sink.name, sink]));
  return routes.flatMap(({ sinkName, eventFormat, path }): Mistake[] => {
    const sink = byName.get(sinkName);
    const reason = sink && kinds[sink.kind]?.refuses?.(eventFormat, sink.options);
    return reason === undefined ? [] : [{
      path: [...path, "eventFormat"],
      message: `the sink ${quoted(sinkName)} ${reason}`,
      where: "value",
    }];
  });
}

function readConfigurationFile(file: string, readTextFile: References["readTextFile"]): string {
  const fail = (message: string, cause?: unknown): never => {
    throw new ConfigurationError([{ file, line: 0, column: 0, path: "", message }], { cause });
  };
  let text: string;
  try {
    text = readTextFile(file);
  } catch (error) {
    const remedy = error instanceof Deno.errors.NotFound
      ? "; name one with --config FILE or TWINROUTER_CONFIG, or make one from an example in deploy/"
      : "";
    return fail(`Cannot read the configuration: ${reasonOf(error)}${remedy}`, error);
  }
  return text.length > MOST_CHARACTERS
    ? fail("Cannot read the configuration: it is larger than 1 MiB")
    : text;
}

function connectionMistakes(
  document: ConfigDocument,
  baseDirectory: string,
  check: LoadOptions["checkConnection"] = () => {},
): Mistake[] {
  const path = [...TOP, "source"];
  const { data } = connectionSchema.safeParse(document.at(path)?.value ?? {});
  const incomplete = document.mistakes.some(({ path: [, , within, key = ""] }) =>
    within === "source" && key in connectionSchema.shape
  );
  if (!data || incomplete) return []; // why is told already
  try {
    check(resolveSource(data, baseDirectory));
    return [];
  } catch (error) {
    const message = messageOf(error);
    return [{
      path: "connectionString" in data ? [...path, "connectionString"] : path,
      message,
      where: "value",
    }];
  }
}

/** Whether a mistake only follows from another: from one of the value that it stands in, or of a part of its value. */
function isEcho({ path, where }: Mistake, known: { readonly path: Path }): boolean {
  if (known.path.length === 0) return false;
  const common = Math.min(path.length, known.path.length);
  if (path.slice(0, common).some((step, index) => step !== known.path[index])) return false;
  return known.path.length <= path.length || where === "value";
}

function withoutFreeKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !FREE_KEY.test(key)));
}
