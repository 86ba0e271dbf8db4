import { isDeepStrictEqual } from "node:util";
import type { Configuration } from "./config/configuration.ts";

/** What takes effect without a restart, or says nothing of how the router works. */
const LIVE: ReadonlySet<string> = new Set(
  [
    "file",
    "baseDirectory",
    "maxBatchSize",
    "watch",
    "shutdownTimeout",
    "sinks",
    "routes",
    "secrets",
    "problemAt",
  ] satisfies (keyof Configuration)[],
);

/** Names of routes. */
export interface RouteChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** The keys that differ and only count after a restart, in order. */
export function needsRestart(running: Configuration, wanted: Configuration): readonly string[] {
  const before: Readonly<Record<string, unknown>> = { ...running };
  const after: Readonly<Record<string, unknown>> = { ...wanted };
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !LIVE.has(key) && !isDeepStrictEqual(before[key], after[key])).sort();
}

/** How the routes differ; several of one name count as one. */
export function routeChanges(before: Configuration, after: Configuration): RouteChanges {
  const [old, now] = [routesByName(before), routesByName(after)];
  const names = [...now.keys()];
  return {
    added: names.filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    changed: names.filter((name) => old.has(name) && !isDeepStrictEqual(old.get(name), now.get(name))),
  };
}

function routesByName({ routes, sinks }: Configuration): ReadonlyMap<string, readonly unknown[]> {
  const mappings = new Map(sinks.map(({ name, typeMappings }) => [name, typeMappings]));
  return Map.groupBy(
    routes.map(({ path: _, ...route }) => ({ ...route, sinkMappings: mappings.get(route.sinkName) })),
    ({ name, sinkName, eventFormat }) => name ?? `${sinkName}/${eventFormat}`,
  );
}
