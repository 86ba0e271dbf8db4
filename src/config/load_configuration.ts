import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { Redaction } from "../observe/redaction.ts";
import { ConfigDocument, type Located } from "./config_document.ts";
import type { Configuration } from "./configuration.ts";
import { crossCheck } from "./cross_checks.ts";
import { embeddedPasswords } from "./embedded_passwords.ts";
import { reasonOf, type References } from "./interpolation.ts";
import { ConfigurationError, formatPath, type Path, type Problem } from "./problem.ts";
import { resolveRoutes, resolveSinks, resolveSource } from "./resolve.ts";
import { configurationSchema, FREE_KEY, INITIAL_ABOVE_MAX, type SinkKinds } from "./schema.ts";
import { isSecret, schemasAt, schemasBelow } from "./schema_at.ts";
import { checkSchema } from "./schema_problems.ts";

/** Larger files are no configuration. */
const MOST_CHARACTERS = 1 << 20;

export interface LoadOptions extends Partial<References> {
  /** The kinds of sink that the file may configure. */
  readonly kinds: SinkKinds;
}

/**
 * Reads a configuration from a YAML file, with `${…}` replaced and every default applied.
 * @throws {ConfigurationError} with everything that is wrong, or because the file cannot be read
 */
export function loadConfiguration(file: string, options: LoadOptions): Configuration {
  const { kinds, environment = Deno.env.toObject(), readTextFile = Deno.readTextFileSync } = options;
  const baseDirectory = resolve(dirname(file));
  const document = new ConfigDocument(file, readConfigurationFile(file, readTextFile), {
    environment,
    readTextFile: (path) => readTextFile(resolve(baseDirectory, path)),
  });
  const schema = configurationSchema(kinds);
  const secrets = secretsOf(document, schema, environment);
  const redaction = new Redaction(secrets);
  const problemAt = (path: Path, message: string, where?: "key" | "value"): Problem => {
    const { value, written } = document.at(path) ?? {};
    // What a reference gave is told by its name: a secret may have come to a place where none belongs.
    const told = written && typeof value === "string" && value !== ""
      ? message.replaceAll(value, () => written)
      : message;
    return document.problemAt(path, redaction.apply(told), where);
  };
  if (!document.usable) throw new ConfigurationError(document.problems);

  const { output, problems: found } = checkSchema(schema, withoutFreeKeys(document.root.value));
  const problems = [
    ...document.problems.map((problem) => ({ ...problem, message: redaction.apply(problem.message) })),
    ...[...found, ...crossCheck(document)]
      .filter(({ path }) => !isBroken(document, path))
      .map(({ path, message, where }) => problemAt(path, message, where)),
  ];
  if (problems.length > 0 || !output) throw new ConfigurationError(problems);

  const { eventSource, maxBatchSize, http, shutdownTimeout, deadLetterFile, ...rest } = output.events.config;
  const sinks = resolveSinks(rest.eventSinks, rest);
  const contradictions = sinks.filter(({ retry }) => retry.initial > retry.max)
    .map(({ path }) => problemAt([...path, "retry"], `initial ${INITIAL_ABOVE_MAX}`, "key"));
  if (contradictions.length > 0) throw new ConfigurationError(contradictions);
  return {
    file,
    baseDirectory,
    ...(eventSource !== undefined && { eventSource }),
    maxBatchSize,
    source: resolveSource(rest.source, baseDirectory),
    http,
    shutdownTimeout,
    deadLetterFile: resolve(baseDirectory, deadLetterFile),
    sinks,
    routes: resolveRoutes(rest.eventRoutes, sinks, kinds),
    secrets,
    problemAt,
  };
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

/** Whether a problem is already known of the value at `path` or of one that it stands in. */
function isBroken(document: ConfigDocument, path: Path): boolean {
  return path.some((_, index) => document.broken.has(formatPath(path.slice(0, index + 1))));
}

function withoutFreeKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !FREE_KEY.test(key)));
}

/** Every value of the file, right or wrong, that may not be shown. */
function secretsOf(
  document: ConfigDocument,
  schema: z.ZodType,
  environment: References["environment"],
): ReadonlySet<string> {
  const secrets = new Set(document.secrets);
  const collect = (located: Located, schemas: readonly z.core.$ZodType[], within: boolean): void => {
    const secret = within || isSecret(schemas);
    const { value, children } = located;
    if (secret && (typeof value === "string" || typeof value === "number")) secrets.add(String(value));
    if (typeof value === "string") { for (const password of embeddedPasswords(value)) secrets.add(password); }
    for (const [key, child] of children ?? []) collect(child, schemasBelow(schemas, key), secret);
  };
  collect(document.root, schemasAt(schema, []), false);
  // libpq's, which counts where the file names no password.
  if (environment["PGPASSWORD"]) secrets.add(environment["PGPASSWORD"]);
  secrets.delete("");
  return secrets;
}
