import { sinkKinds } from "../../sinks/registry.ts";
import type { Configuration } from "../../src/config/configuration.ts";
import { loadConfiguration, type LoadOptions } from "../../src/config/load_configuration.ts";
import { ConfigurationError, type Problem } from "../../src/config/problem.ts";

export interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>;
  /** Texts by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly checkConnection?: LoadOptions["checkConnection"];
}

/** Loads a configuration from its text, as if it stood in /etc/twinrouter/events.yaml. */
export function loadText(yaml: string, surroundings: Surroundings = {}): Configuration {
  const { environment = {}, files = {}, checkConnection } = surroundings;
  return loadConfiguration("/etc/twinrouter/events.yaml", {
    kinds: sinkKinds,
    environment,
    ...(checkConnection && { checkConnection }),
    readTextFile(path) {
      const text = path === "/etc/twinrouter/events.yaml" ? yaml : files[path];
      if (text === undefined) throw new Deno.errors.NotFound(path);
      return text;
    },
  });
}

/** Loads `config`, the lines below `events.config`, indented by nothing; they begin in line 3. */
export function loadConfig(config: string, surroundings?: Surroundings): Configuration {
  return loadText(`events:\n  config:\n${config.replace(/^(?=.)/gm, "    ")}`, surroundings);
}

/** The problems of a configuration that must have some. */
export function problemsOf(load: () => unknown): readonly Problem[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  throw new Error("The configuration was expected to have problems");
}

/** `<line>:<column> <path without events.config>: <message>` of each problem. */
export function toldBy(load: () => unknown): readonly string[] {
  return problemsOf(load).map(({ line, column, path, message }) =>
    `${line}:${column} ${path.replace(/^events\.config\.?/, "")}: ${message}`
  );
}
