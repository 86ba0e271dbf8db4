import { JsonText } from "../../twin/json_text.ts";
import { type BodyPath, EVERY, someAt } from "./body_path.ts";
import { byInstant, byValue, type Comparison } from "./compare.ts";
import type { Expression, Operand, Place, Value } from "./expression.ts";
import type { FilterableEvent } from "./filterable_event.ts";
import type { ModelHierarchy } from "./model_hierarchy.ts";

/** Whether an event is one of those that an expression means. */
export type Test = (event: FilterableEvent, models: ModelHierarchy) => boolean;

/** Whether any value of an operand passes: a path through an array has one for each element. */
type SomeValue = (event: FilterableEvent, passes: (value: Value) => boolean) => boolean;

/** Makes functions of an expression. Terms are asked from left to right, and only until the answer is known. */
export function compile(expression: Expression): Test {
  switch (expression.kind) {
    case "constant":
      return () => expression.value;
    case "and":
      return every(expression.terms.map(compile));
    case "or":
      return some(expression.terms.map(compile));
    case "not":
      return not(compile(expression.term));
    case "comparison":
      return compileComparison(expression);
    case "membership":
      return compileMembership(expression);
    case "text":
      return somePair(expression.operand, expression.part, TEXT_FUNCTIONS[expression.function]);
    case "type":
      return someValue(expression.operand, TYPE_FUNCTIONS[expression.function]);
    case "defined":
      return compileDefined(expression.place);
    case "model":
      return compileModel(expression);
    default:
      return expression satisfies never;
  }
}

const TEXT_FUNCTIONS = {
  STARTS_WITH: (text: Value, part: Value) =>
    typeof text === "string" && typeof part === "string" && text.startsWith(part),
  ENDS_WITH: (text: Value, part: Value) =>
    typeof text === "string" && typeof part === "string" && text.endsWith(part),
  CONTAINS: (text: Value, part: Value) =>
    typeof text === "string" && typeof part === "string" && text.includes(part),
};

const TYPE_FUNCTIONS = {
  IS_NUMBER: (value: Value) => value instanceof JsonText && value.kind === "number",
  IS_STRING: (value: Value) => typeof value === "string",
  IS_BOOL: (value: Value) => value instanceof JsonText && value.kind === "boolean",
  IS_OBJECT: (value: Value) => value instanceof JsonText && value.kind === "object",
};

function every(tests: readonly Test[]): Test {
  return joined(tests, (a, b) => (event, models) => a(event, models) && b(event, models)) ?? (() => true);
}

function some(tests: readonly Test[]): Test {
  return joined(tests, (a, b) => (event, models) => a(event, models) || b(event, models)) ?? (() => false);
}

/** Joins tests two by two, so that many of them cost no loop, and no more stack than the logarithm of their number. */
function joined(tests: readonly Test[], join: (a: Test, b: Test) => Test): Test | undefined {
  const middle = tests.length >> 1;
  const first = middle > 0 ? joined(tests.slice(0, middle), join) : undefined;
  const second = middle > 0 ? joined(tests.slice(middle), join) : tests[0];
  return first && second ? join(first, second) : second;
}

function not(test: Test): Test {
  return (event, models) => !test(event, models);
}

function compileComparison({ operator, left, right }: Extract<Expression, { kind: "comparison" }>): Test {
  const { equal, order } = comparisonFor(left, right);
  switch (operator) {
    case "=":
      return somePair(left, right, equal);
    case "!=":
      return not(somePair(left, right, equal));
    case "<":
      return somePair(left, right, (a, b) => order(a, b) < 0);
    case "<=":
      return somePair(left, right, (a, b) => order(a, b) <= 0);
    case ">":
      return somePair(left, right, (a, b) => order(a, b) > 0);
    case ">=":
      return somePair(left, right, (a, b) => order(a, b) >= 0);
    default:
      return operator satisfies never;
  }
}

function compileMembership({ operator, operand, list }: Extract<Expression, { kind: "membership" }>): Test {
  /** Strings, of which there may be many. */
  const texts = new Set<Value>();
  const others: Test[] = [];
  for (const item of list) {
    const comparison = comparisonFor(operand, item);
    if (item.kind === "literal" && typeof item.value === "string" && comparison === byValue) {
      texts.add(item.value);
    } else others.push(somePair(operand, item, comparison.equal));
  }
  const isIn = some([someValue(operand, (value) => texts.has(value)), ...others]);
  return operator === "IN" ? isIn : not(isIn);
}

function comparisonFor(...operands: readonly Operand[]): Comparison {
  const isTime = operands.some((operand) => operand.kind === "attribute" && operand.name === "time");
  return isTime ? byInstant : byValue;
}

function compileDefined(place: Place): Test {
  if (place.kind === "attribute") return (event) => event.attribute(place.name) !== undefined;
  return (event) => someAt(event.body, place.path, (found) => found !== undefined);
}

function compileModel({ model, exact }: Extract<Expression, { kind: "model" }>): Test {
  return (event, models) => {
    const own = modelOf(event);
    return own === model || (!exact && own !== undefined && models.isOfModel(own, model));
  };
}

/** A twin's, relationship's or patch's body names its model, and a telemetry event does. */
function modelOf(event: FilterableEvent): string | undefined {
  const inBody = event.body?.get("$metadata")?.get("$model")?.string ?? event.body?.get("modelId")?.string;
  if (inBody !== undefined) return inBody;
  const schema = event.attribute("dataschema");
  return typeof schema === "string" ? schema : undefined;
}

/** Whether two operands have values of which it holds. */
function somePair(left: Operand, right: Operand, holds: (a: Value, b: Value) => boolean): Test {
  if (right.kind === "literal") return someValue(left, partly(holds, right.value));
  const [someLeft, someRight] = [valuesOf(left), valuesOf(right)];
  return (event) => someLeft(event, (a) => someRight(event, (b) => holds(a, b)));
}

function partly(holds: (a: Value, b: Value) => boolean, b: Value): (a: Value) => boolean {
  if (typeof b !== "string") return (a) => holds(a, b);
  const text = shared(b);
  return holds === byValue.equal ? (a) => a === text : (a) => holds(a, text);
}

function someValue(operand: Operand, passes: (value: Value) => boolean): Test {
  if (operand.kind === "attribute") {
    // What most filters are made of, by the shortest way.
    const name = shared(operand.name);
    return (event) => passes(event.attribute(name) ?? null);
  }
  const values = valuesOf(operand);
  return (event) => values(event, passes);
}

/** The engine's one copy of a string: two such are compared by where they are. */
function shared(text: string): string {
  return Object.keys({ [text]: true })[0] ?? text;
}

function valuesOf(operand: Operand): SomeValue {
  switch (operand.kind) {
    case "literal":
      return (_event, passes) => passes(operand.value);
    case "attribute":
      return (event, passes) => passes(event.attribute(operand.name) ?? null);
    case "body": {
      const path: BodyPath = [...operand.path, EVERY];
      return (event, passes) => someAt(event.body, path, (found) => passes(valueOf(found)));
    }
    default:
      return operand satisfies never;
  }
}

function valueOf(json: JsonText | undefined): Value {
  if (json === undefined || json.kind === "null") return null;
  return json.string ?? json;
}
