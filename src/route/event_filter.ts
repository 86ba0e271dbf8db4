import type { FilterableEvent } from "./filter/filterable_event.ts";
import type { ModelHierarchy } from "./filter/model_hierarchy.ts";
import type { Requirement } from "./requirement.ts";

/** Tells which events a route wants, in whichever language it says so. */
export interface EventFilter {
  /** As it was written. */
  readonly text: string;
  readonly requirement: Requirement | undefined;
  /** Whether it may ask which models extend which. */
  readonly asksForModels: boolean;

  /** Without `models` each model is only itself. Never throws. */
  matches(event: FilterableEvent, models?: ModelHierarchy): boolean;
}
