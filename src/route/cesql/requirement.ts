import { requiredByAll, requiredByAny, type Requirement } from "../requirement.ts";
import type { Expression, Step } from "./expression.ts";

/** Attributes that are texts in every event; of others, numbers and truths are equal to some texts. */
const TEXTS: ReadonlySet<string> = new Set(["id", "type", "source", "subject", "dataschema", "partitionkey"]);

/** What an expression cannot be true without, if that is plain to see. */
export function requirementOf(expression: Expression): Requirement | undefined {
  if (expression.kind !== "row") return undefined;
  const [begin, ...steps] = expression.steps;
  let required = expression.first.kind === "attribute" && begin
    ? comparedWith(expression.first.name, begin)
    : afterStep(requirementOf(expression.first), begin);
  for (const step of steps) required = afterStep(required, step);
  return required;
}

function afterStep(left: Requirement | undefined, step: Step | undefined): Requirement | undefined {
  if (step?.kind !== "binary") return undefined;
  if (step.operator === "AND") return requiredByAll([left, requirementOf(step.right)]);
  if (step.operator === "OR") return requiredByAny([left, requirementOf(step.right)]);
  return undefined;
}

function comparedWith(attribute: string, step: Step): Requirement | undefined {
  if (!TEXTS.has(attribute)) return undefined;
  const isEqual = step.kind === "binary" && step.operator === "=";
  const list = isEqual ? [step.right] : step.kind === "in" && !step.isNegated ? step.set : undefined;
  const texts = list?.map((item) => item.kind === "literal" ? item.value : undefined);
  return texts?.every((text) => typeof text === "string") ? { attribute, texts } : undefined;
}
