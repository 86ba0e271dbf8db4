import type { FilterableEvent } from "../filter/filterable_event.ts";
import type { BinaryOperator, Expression, Step } from "./expression.ts";
import type { CesqlFunction, Parameter } from "./functions.ts";
import { likePattern } from "./like_pattern.ts";
import {
  asInteger,
  Failure,
  type Outcome,
  readInteger,
  toBoolean,
  toInteger,
  toText,
  toTypeOf,
  type Value,
} from "./value.ts";

/** Gives what an expression is of an event. */
export type Evaluation = (event: FilterableEvent) => Outcome;

/** Goes on from what stands to the left of an operator. */
type Continuation = (left: Outcome, event: FilterableEvent) => Outcome;

/**
 * Makes functions of an expression. They fail fast, as the specification advises filters: an operation whose operand is
 * an error is not done; it gives the zero value of its type, with that error. They never throw.
 */
export function compile(expression: Expression): Evaluation {
  switch (expression.kind) {
    case "literal":
      return () => expression.value;
    case "attribute":
      return compileAttribute(expression.name);
    case "exists":
      return (event) => event.attribute(expression.name) !== undefined;
    case "not": {
      const evaluate = compile(expression.operand);
      return (event) => {
        const value = toBoolean(evaluate(event));
        return typeof value === "object" ? value : !value;
      };
    }
    case "minus": {
      const evaluate = compile(expression.operand);
      return (event) => {
        const value = toInteger(evaluate(event));
        return typeof value === "object" ? value : inRange(-value);
      };
    }
    case "call":
      return compileCall(expression.called, expression.operands.map(compile));
    case "row":
      return compileRow(compile(expression.first), expression.steps.map(compileStep));
    default:
      return expression satisfies never;
  }
}

/** What is neither a text, an integer nor a truth is the text that it is written as. */
function compileAttribute(name: string): Evaluation {
  // Where nothing tells the type, the specification takes it for a truth.
  const missing = new Failure("missingAttribute", false);
  return (event) => {
    const value = event.attribute(name);
    if (typeof value === "string") return value;
    if (value === undefined) return missing;
    return value.boolean ?? readInteger(value.toString()) ?? value.toString();
  };
}

const CASTS: Readonly<Record<Parameter, (argument: Outcome) => Outcome>> = {
  any: (argument) => argument,
  integer: toInteger,
  text: toText,
};

function compileCall(called: CesqlFunction | undefined, operands: readonly Evaluation[]): Evaluation {
  if (!called) return () => new Failure("missingFunction", false);
  const casts = operands.map((_, index) => CASTS[called.parameters[index] ?? "text"]);
  return (event) => {
    const args: Value[] = [];
    for (const [index, cast] of casts.entries()) {
      const argument = cast(operands[index]?.(event) ?? "");
      if (typeof argument === "object") return argument.within(called.zero);
      args.push(argument);
    }
    return called.apply(args);
  };
}

function compileRow(first: Evaluation, steps: readonly Continuation[]): Evaluation {
  const [only] = steps;
  if (only && steps.length === 1) return (event) => only(first(event), event);
  return (event) => {
    let outcome = first(event);
    for (const step of steps) outcome = step(outcome, event);
    return outcome;
  };
}

function compileStep(step: Step): Continuation {
  switch (step.kind) {
    case "binary":
      return compileBinary(step.operator, compile(step.right));
    case "like": {
      const matches = likePattern(step.pattern);
      return (left) => {
        const text = toText(left);
        return typeof text === "object" ? text.within(false) : matches(text) !== step.isNegated;
      };
    }
    case "in":
      return compileIn(step);
    default:
      return step satisfies never;
  }
}

function compileBinary(operator: BinaryOperator, right: Evaluation): Continuation {
  switch (operator) {
    case "AND":
      return logic(right, (a, b) => a && b, false);
    case "OR":
      return logic(right, (a, b) => a || b, true);
    case "XOR":
      return logic(right, (a, b) => a !== b);
    case "=":
      return equality(right, true);
    case "!=":
      return equality(right, false);
    case "<":
      return ofIntegers(right, false, (a, b) => a < b);
    case "<=":
      return ofIntegers(right, false, (a, b) => a <= b);
    case ">":
      return ofIntegers(right, false, (a, b) => a > b);
    case ">=":
      return ofIntegers(right, false, (a, b) => a >= b);
    case "+":
      return ofIntegers(right, 0, (a, b) => inRange(a + b));
    case "-":
      return ofIntegers(right, 0, (a, b) => inRange(a - b));
    case "*":
      return ofIntegers(right, 0, (a, b) => inRange(a * b));
    case "/":
      return ofIntegers(right, 0, (a, b) => b === 0 ? new Failure("math", 0) : inRange(Math.trunc(a / b)));
    case "%":
      return ofIntegers(right, 0, (a, b) => b === 0 ? new Failure("math", 0) : inRange(a % b));
    default:
      return operator satisfies never;
  }
}

/** The specification does not say what an integer is that has no 32 bits; a filter is not to match by wrapping around. */
function inRange(number: number): Outcome {
  return asInteger(number) ?? new Failure("math", 0);
}

/** The right operand is not evaluated if the left one is `settling`. */
function logic(right: Evaluation, of: (a: boolean, b: boolean) => boolean, settling?: boolean): Continuation {
  return (left, event) => {
    const a = toBoolean(left);
    if (typeof a === "object" || a === settling) return a;
    const b = toBoolean(right(event));
    return typeof b === "object" ? b : of(a, b);
  };
}

/** The right operand's type is the one to compare in. */
function equality(right: Evaluation, isEqual: boolean): Continuation {
  return (left, event) => {
    if (typeof left === "object") return left.within(false);
    const b = right(event);
    if (typeof b === "object") return b.within(false);
    const a = toTypeOf(b, left);
    return typeof a === "object" ? a.within(false) : (a === b) === isEqual;
  };
}

function ofIntegers(right: Evaluation, zero: Value, of: (a: number, b: number) => Outcome): Continuation {
  return (left, event) => {
    const a = toInteger(left);
    if (typeof a === "object") return a.within(zero);
    const b = toInteger(right(event));
    return typeof b === "object" ? b.within(zero) : of(a, b);
  };
}

/** The left operand's type is the one to compare in. The set is made as a whole: an error in it counts wherever it stands. */
function compileIn({ isNegated, set }: Extract<Step, { kind: "in" }>): Continuation {
  const evaluations = set.map(compile);
  const texts = new Set(set.map((item) => item.kind === "literal" ? item.value : undefined));
  const areTexts = [...texts].every((item) => typeof item === "string");
  return (left, event) => {
    if (typeof left === "object") return left.within(false);
    if (areTexts && typeof left === "string") return texts.has(left) !== isNegated;
    let isFound = false;
    for (const evaluate of evaluations) {
      const item = toTypeOf(left, evaluate(event));
      if (typeof item === "object") return item.within(false);
      isFound ||= item === left;
    }
    return isFound !== isNegated;
  };
}
