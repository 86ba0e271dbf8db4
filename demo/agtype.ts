/** A value of an AGE property map. A safe integer is an integer, any other number a float; `float` makes any a float. */
export type AgtypeValue =
  | null
  | boolean
  | string
  | number
  | bigint
  | Float
  | Numeric
  | readonly AgtypeValue[]
  | AgtypeMap;

/** An AGE property map; members that are `undefined` are left out. */
export interface AgtypeMap {
  readonly [key: string]: AgtypeValue | undefined;
}

/** An agtype float, whole ones too: `float(22)` is `22.0`. */
export class Float {
  constructor(readonly value: number) {}
}

/** An agtype numeric, with the digits that it was written with. */
export class Numeric {
  constructor(readonly digits: string) {}
}

export function float(value: number): Float {
  return new Float(value);
}

export function numeric(digits: string): Numeric {
  return new Numeric(digits);
}

/** A value as AGE prints it, which is what PostgreSQL sends of it: `{"n": 22.0, "$dtId": "room-1", "rate": 1.10::numeric}`. */
export function agtype(value: AgtypeValue): string {
  if (value === null || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : printFloat(value);
  }
  if (value instanceof Float) return printFloat(value.value);
  if (value instanceof Numeric) return `${value.digits}::numeric`;
  if (isList(value)) return `[${value.map(agtype).join(", ")}]`;
  const members = Object.entries(value).flatMap(([key, member]) =>
    member === undefined ? [] : [{ key, member }]
  );
  members.sort((a, b) => byLengthThenBytes(a.key, b.key));
  return `{${members.map(({ key, member }) => `${JSON.stringify(key)}: ${agtype(member)}`).join(", ")}}`;
}

function isList(value: readonly AgtypeValue[] | AgtypeMap): value is readonly AgtypeValue[] {
  return Array.isArray(value);
}

/** The order of a map's keys, in UTF-8. */
function byLengthThenBytes(a: string, b: string): number {
  const left = new TextEncoder().encode(a);
  const right = new TextEncoder().encode(b);
  if (left.length !== right.length) return left.length - right.length;
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return at === -1 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

/**
 * PostgreSQL's shortest digits of a float8, which JavaScript shares; it turns to an exponent of at least two digits
 * below 1e-4 and from 1e15 on (`src/common/d2s.c`). AGE adds `.0` to what would read as an integer.
 */
function printFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return "-0.0";
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 15)) {
    return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  // JavaScript keeps to plain digits for longer, down to 1e-6 and up to 1e21.
  const digits = String(value);
  return digits.includes(".") ? digits : `${digits}.0`;
}
