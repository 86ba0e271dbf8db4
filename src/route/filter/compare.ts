import { JsonText } from "../../twin/json_text.ts";
import type { Value } from "./expression.ts";

/** How two values are compared. */
export interface Comparison {
  equal(a: Value, b: Value): boolean;
  /** Below 0, 0 or above 0; NaN, of which no ordering is true, for values that have no order. */
  order(a: Value, b: Value): number;
}

/** Numbers by their value, strings by their UTF-16 code units; nothing across types, and only those two have an order. */
export const byValue: Comparison = {
  equal(a, b) {
    return a === b || (a instanceof JsonText && b instanceof JsonText && a.equals(b));
  },
  order(a, b) {
    if (typeof a === "string" && typeof b === "string") return compareTexts(a, b);
    if (!(a instanceof JsonText && b instanceof JsonText)) return NaN;
    const [first, second] = [a.number, b.number];
    return first === undefined || second === undefined ? NaN : compareNumbers(first, second);
  },
};

/** Strings as the instants that they name, however they are written; those that name none have no order. */
export const byInstant: Comparison = {
  equal(a, b) {
    return a === b || byInstant.order(a, b) === 0;
  },
  order(a, b) {
    const first = typeof a === "string" ? instantOf(a) : undefined;
    const second = typeof b === "string" ? instantOf(b) : undefined;
    if (!first || !second) return NaN;
    return first.seconds - second.seconds || compareTexts(first.fraction, second.fraction);
  },
};

/** JSON numbers by their value, to the last of their digits. */
function compareNumbers(a: string, b: string): number {
  const [first, second] = [Number(a), Number(b)];
  // Rounding to doubles keeps the order, so that only equal ones need a closer look.
  if (first !== second) return first < second ? -1 : 1;
  return a === b ? 0 : compareDecimals(decimalOf(a), decimalOf(b));
}

/** `sign` × 0.`digits` × 10^`power`; the digits have no zero at either end. */
interface Decimal {
  readonly sign: -1 | 0 | 1;
  readonly digits: string;
  readonly power: bigint;
}

function decimalOf(number: string): Decimal {
  const [, minus, whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e\+?(-?\d+))?$/i.exec(number) ?? [];
  const significant = (whole + fraction).replace(/^0+/, "");
  const zeros = whole.length + fraction.length - significant.length;
  const digits = significant.replace(/0+$/, "");
  if (digits === "") return { sign: 0, digits, power: 0n };
  return { sign: minus ? -1 : 1, digits, power: BigInt(exponent) + BigInt(whole.length - zeros) };
}

function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.sign !== b.sign) return a.sign - b.sign;
  if (a.power !== b.power) return a.power < b.power ? -a.sign : a.sign;
  return a.sign * compareTexts(a.digits, b.digits);
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

interface Instant {
  /** Since 1970. */
  readonly seconds: number;
  /** Decimal digits without zeros at the end. */
  readonly fraction: string;
}

/** RFC 3339; a date alone is its first instant in UTC. */
function instantOf(text: string): Instant | undefined {
  const [, date, time = "T00:00:00", fraction = "", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)(?:(T\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d))?$/i.exec(text) ?? [];
  const milliseconds = date === undefined ? NaN : Date.parse(`${date}${time}${zone}`.toUpperCase());
  if (Number.isNaN(milliseconds)) return undefined;
  return { seconds: milliseconds / 1000, fraction: fraction.replace(/0+$/, "") };
}
