import { requiredByAll, requiredByAny, type Requirement } from "../requirement.ts";
import type { Expression, Operand } from "./expression.ts";

/** What a filter cannot match without, if that is plain to see: it spares asking many filters one after the other. */
export function requirementOf(expression: Expression): Requirement | undefined {
  switch (expression.kind) {
    case "and":
      return requiredByAll(expression.terms.map(requirementOf));
    case "or":
      return requiredByAny(expression.terms.map(requirementOf));
    case "comparison":
      return expression.operator === "=" ? isOneOf(expression.left, [expression.right]) : undefined;
    case "membership":
      return expression.operator === "IN" ? isOneOf(expression.operand, expression.list) : undefined;
    default:
      return undefined;
  }
}

function isOneOf(operand: Operand, list: readonly Operand[]): Requirement | undefined {
  // Instants have many notations.
  if (operand.kind !== "attribute" || operand.name === "time") return undefined;
  const texts: string[] = [];
  for (const item of list) {
    if (item.kind !== "literal" || typeof item.value !== "string") return undefined;
    texts.push(item.value);
  }
  return { attribute: operand.name, texts };
}
