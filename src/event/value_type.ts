import type { JsonText } from "../twin/json_text.ts";

/** The type of a value as it is written, for want of a model that knows better. */
export type ValueType = "boolean" | "string" | "integer" | "long" | "double" | "object" | "array" | "null";

/** `integer` is one of 32 bits and `long` one of 64; what is larger, or has a fraction or exponent, is a `double`. */
export function valueType(value: JsonText): ValueType {
  const { kind } = value;
  return kind === "number" ? numberType(value.toString()) : kind;
}

function numberType(digits: string): ValueType {
  // The longest of 64 bits has 19 digits and a sign.
  if (digits.length > 20 || /[.eE]/.test(digits)) return "double";
  const number = BigInt(digits);
  if (number === BigInt.asIntN(32, number)) return "integer";
  return number === BigInt.asIntN(64, number) ? "long" : "double";
}
