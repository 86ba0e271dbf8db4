import type { TypeMappings } from "../config/configuration.ts";
import { ADT_TYPES, EVENT_TYPES, type EventTypes, KONNEKTR_GRAPH_TYPES } from "./event_types.ts";

/** Whose subjects, sources, times and bodies events have: the router's own, or Azure Digital Twins' where those differ. */
export type EventShape = "own" | "adt";

/** How events are told: what they are called, and what they look like. An event's id is the same in every dialect. */
export interface Dialect {
  readonly shape: EventShape;
  readonly types: EventTypes;
}

/** That of a route without any mappings. */
export const OWN_DIALECT: Dialect = { shape: "own", types: EVENT_TYPES };

const PRESETS: Readonly<Record<Extract<TypeMappings, string>, Dialect>> = {
  "adt": { shape: "adt", types: ADT_TYPES },
  "konnektr-graph": { shape: "own", types: KONNEKTR_GRAPH_TYPES },
};

/** Mappings, the nearest first. A preset names everything, so whatever comes after it does not matter. */
export function dialectOf(...mappings: readonly (TypeMappings | undefined)[]): Dialect {
  return mappings.reduceRight<Dialect>((farther, mapping) => {
    if (mapping === undefined) return farther;
    if (typeof mapping === "string") return PRESETS[mapping];
    return { ...farther, types: { ...farther.types, ...mapping } };
  }, OWN_DIALECT);
}
