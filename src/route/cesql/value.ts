/** What an expression can be: an integer of 32 bits, a text, or a truth. */
export type Value = number | string | boolean;

/** The specification's errors of an evaluation. */
export type ErrorKind = "cast" | "math" | "missingAttribute" | "missingFunction" | "functionEvaluation";

/** An error, and the value that what it happened to has all the same. */
export class Failure {
  readonly error: ErrorKind;
  readonly value: Value;

  constructor(error: ErrorKind, value: Value) {
    this.error = error;
    this.value = value;
  }

  /** The same error, of an operation around the one that it happened to: that one is not done, and gives its zero value. */
  within(zero: Value): Failure {
    return zero === this.value ? this : new Failure(this.error, zero);
  }
}

/** The only objects among outcomes are failures. */
export type Outcome = Value | Failure;

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;

/** Undefined for a number that has no 32 bits; there is no -0. */
export function asInteger(number: number): number | undefined {
  return number >= LEAST && number <= MOST ? number | 0 : undefined;
}

/** Decimal digits with or without a sign; undefined for another text, and for an integer that has no 32 bits. */
export function readInteger(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) ? asInteger(Number(text)) : undefined;
}

export function toInteger(outcome: Outcome): number | Failure {
  switch (typeof outcome) {
    case "number":
      return outcome;
    case "boolean":
      return outcome ? 1 : 0;
    case "string":
      return readInteger(outcome) ?? new Failure("cast", 0);
    default:
      return outcome.within(0);
  }
}

export function toText(outcome: Outcome): string | Failure {
  return typeof outcome === "object" ? outcome.within("") : String(outcome);
}

export function toBoolean(outcome: Outcome): boolean | Failure {
  switch (typeof outcome) {
    case "boolean":
      return outcome;
    case "number":
      return outcome !== 0;
    case "string": {
      const text = outcome.toLowerCase();
      return text === "true" || (text === "false" ? false : new Failure("cast", false));
    }
    default:
      return outcome.within(false);
  }
}

/** Makes it what `like` is. */
export function toTypeOf(like: Value, outcome: Outcome): Outcome {
  switch (typeof like) {
    case "number":
      return toInteger(outcome);
    case "string":
      return toText(outcome);
    default:
      return toBoolean(outcome);
  }
}
