import type { Expression, Operand } from "./expression.ts";

/** Of whatever a filter matches, the attribute is one of the texts. */
export interface Requirement {
  readonly attribute: string;
  readonly texts: readonly string[];
}

/** What a filter cannot match without, if that is plain to see: it spares asking many filters one after the other. */
export function requirementOf(expression: Expression): Requirement | undefined {
  switch (expression.kind) {
    case "and": {
      const requirements = expression.terms.map(requirementOf).filter((requirement) =>
        requirement !== undefined
      );
      // Of types there are few.
      return requirements.find(({ attribute }) => attribute !== "type") ?? requirements[0];
    }
    case "or": {
      const requirements = expression.terms.map(requirementOf);
      const attribute = requirements[0]?.attribute;
      const isShared = requirements.every((requirement) => requirement?.attribute === attribute);
      if (attribute === undefined || !isShared) return undefined;
      return { attribute, texts: requirements.flatMap((requirement) => requirement?.texts ?? []) };
    }
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
