import type { Setup } from "./setup.ts";

/** Names of the sinks that no route leads to: allowed, since a route may be left out for a while, but rarely meant. */
export function unroutedSinks({ sinks, routes }: Pick<Setup, "sinks" | "routes">): readonly string[] {
  const routed = new Set(routes.map(({ sink }) => sink));
  return sinks.flatMap(({ name }, index) => routed.has(index) ? [] : [name]);
}
