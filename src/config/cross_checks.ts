import { closest } from "./closest.ts";
import type { ConfigDocument } from "./config_document.ts";
import { type Mistake, type Path, quoted } from "./problem.ts";

/** The mapping that everything stands in. */
export const TOP: Path = ["events", "config"];

type Mapping = Readonly<Record<string, unknown>>;

/**
 * What no value shows by itself: names that are taken or missing, keys that exclude each other. Works on the values as
 * they stand, right or wrong, so that these problems are reported together with all others.
 */
export function crossCheck(document: ConfigDocument): Mistake[] {
  const config = mapping(mapping(mapping(document.root.value)["events"])["config"]);
  const sinks = sinksOf(config);
  return [
    ...sourceMistakes(mapping(config["source"])),
    ...sinkMistakes(sinks, document),
    ...routeMistakes(config["eventRoutes"], sinks, document),
  ];
}

function sourceMistakes(source: Mapping): Mistake[] {
  if (!("password" in source && "passwordFile" in source)) return [];
  const path = [...TOP, "source", "passwordFile"];
  return [{ path, message: "stands beside password; leave one out", where: "key" }];
}

/** A sink of whatever kind, known or not. */
interface NamedSink {
  /** Absent where it is missing or no text. */
  readonly name: string | undefined;
  readonly path: Path;
}

function sinksOf(config: Mapping): readonly NamedSink[] {
  return Object.entries(mapping(config["eventSinks"])).flatMap(([kind, list]) =>
    (Array.isArray(list) ? list : []).map((sink: unknown, index) => {
      const { name } = mapping(sink);
      return { name: typeof name === "string" ? name : undefined, path: [...TOP, "eventSinks", kind, index] };
    })
  );
}

function sinkMistakes(sinks: readonly NamedSink[], document: ConfigDocument): Mistake[] {
  const all: Path = [...TOP, "eventSinks"];
  const given = document.at(all);
  const lists = [...given?.children?.values() ?? []];
  if (given && sinks.length === 0 && lists.every(({ value }) => Array.isArray(value))) {
    return [{ path: all, message: "names no sink", where: "key" }];
  }
  const first = new Map<string, Path>();
  return sinks.flatMap(({ name, path }): Mistake[] => {
    if (name === undefined) return [];
    const taken = first.get(name);
    if (!taken) {
      first.set(name, path);
      return [];
    }
    const message = `the sink in line ${document.placeOf([...taken, "name"]).line} has the same name`;
    return [{ path: [...path, "name"], message, where: "value" }];
  });
}

function routeMistakes(
  routes: unknown,
  sinks: readonly NamedSink[],
  document: ConfigDocument,
): Mistake[] {
  if (!Array.isArray(routes)) return [];
  const names = new Set(sinks.flatMap(({ name }) => name ?? []));
  // A name that could not be completed, because a variable is not set, may be the one that a route asks for.
  const someNameUnknown = sinks.some(({ path }) => {
    const name = document.at([...path, "name"]);
    return name !== undefined && name.value === undefined;
  });
  const taken = new Set<string>();
  return routes.flatMap((route: unknown, index): Mistake[] => {
    const path = [...TOP, "eventRoutes", index];
    const { name, sinkName } = mapping(route);
    const mistakes: Mistake[] = [];
    if (typeof sinkName === "string" && sinkName !== "" && !names.has(sinkName) && !someNameUnknown) {
      mistakes.push({ path: [...path, "sinkName"], message: noSuchSink(sinkName, names), where: "value" });
    }
    if (typeof name === "string" && taken.has(name)) {
      mistakes.push({ path: [...path, "name"], message: "another route has the same name", where: "value" });
    }
    if (typeof name === "string") taken.add(name);
    if ("filter" in mapping(route) && "cesql" in mapping(route)) {
      mistakes.push({
        path: [...path, "cesql"],
        message: "stands beside filter; leave one out",
        where: "key",
      });
    }
    return mistakes;
  });
}

function noSuchSink(name: string, names: ReadonlySet<string>): string {
  const near = closest(name, names);
  if (near !== undefined) return `no sink has the name ${quoted(name)}; did you mean ${quoted(near)}?`;
  const known = [...names].map(quoted).join(", ");
  return `no sink has the name ${quoted(name)}${known === "" ? "" : `; known are ${known}`}`;
}

function mapping(value: unknown): Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Mapping : {};
}
