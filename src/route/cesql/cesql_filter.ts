import type { EventFilter } from "../event_filter.ts";
import type { FilterableEvent } from "../filter/filterable_event.ts";
import type { Requirement } from "../requirement.ts";
import { compile, type Evaluation } from "./compile.ts";
import { parseCesql } from "./parser.ts";
import { requirementOf } from "./requirement.ts";

/**
 * A filter in CloudEvents SQL 1.0, read once. It sees an event's attributes, never its body. Written here because the
 * CloudEvents SDK for JavaScript (10.0.0) does not read the language, as those for Go and Java do, and no other package for
 * JavaScript that does was found.
 * @see https://github.com/cloudevents/spec/blob/cesql/v1.0.0/cesql/spec.md
 */
export class CesqlFilter implements EventFilter {
  readonly text: string;
  readonly requirement: Requirement | undefined;
  readonly asksForModels = false;
  readonly #evaluate: Evaluation;

  /** @throws {FilterError} also if it calls what is no function: it would only ever fail. */
  constructor(text: string) {
    this.text = text;
    const { expression, missingFunction } = parseCesql(text);
    if (missingFunction) throw missingFunction;
    this.requirement = requirementOf(expression);
    this.#evaluate = compile(expression);
  }

  /** An event passes if the expression is true: no other value is, and nothing is true once an error came up. */
  matches(event: FilterableEvent): boolean {
    return this.#evaluate(event) === true;
  }
}
