import { compile, type Test } from "./compile.ts";
import type { FilterableEvent } from "./filterable_event.ts";
import { type ModelHierarchy, noHierarchy } from "./model_hierarchy.ts";
import { parseFilter } from "./parser.ts";
import { type Requirement, requirementOf } from "./requirement.ts";

/** Tells which events a route wants. Read once; a body is read only if the answer depends on it. */
export class Filter {
  /** As it was written. */
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

  /** Whether it may ask which models extend which. */
  get asksForModels(): boolean {
    return /IS_OF_MODEL/i.test(this.text);
  }

  matches(event: FilterableEvent, models: ModelHierarchy = noHierarchy): boolean {
    return this.#test(event, models);
  }
}
