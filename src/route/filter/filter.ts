import type { EventFilter } from "../event_filter.ts";
import type { Requirement } from "../requirement.ts";
import { compile, type Test } from "./compile.ts";
import type { FilterableEvent } from "./filterable_event.ts";
import { type ModelHierarchy, noHierarchy } from "./model_hierarchy.ts";
import { parseFilter } from "./parser.ts";
import { requirementOf } from "./requirement.ts";

/** A filter in the router's own language. Read once; a body is read only if the answer depends on it. */
export class Filter implements EventFilter {
  readonly text: string;
  readonly requirement: Requirement | undefined;
  readonly #test: Test;

  /** @throws {FilterError} */
  constructor(text: string) {
    this.text = text;
    const expression = parseFilter(text);
    this.requirement = requirementOf(expression);
    this.#test = compile(expression);
  }

  get asksForModels(): boolean {
    return /IS_OF_MODEL/i.test(this.text);
  }

  matches(event: FilterableEvent, models: ModelHierarchy = noHierarchy): boolean {
    return this.#test(event, models);
  }
}
