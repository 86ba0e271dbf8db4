import { asInteger, Failure, type Outcome, toBoolean, toInteger, toText, type Value } from "./value.ts";

/** What a function makes of an argument before it looks at it. */
export type Parameter = "any" | "integer" | "text";

export interface CesqlFunction {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** Whether any number of texts may follow. */
  readonly isVariadic: boolean;
  /** What it gives when an argument is an error, or is not what it has to be. */
  readonly zero: Value;
  /** The arguments are of the parameters' types. */
  apply(args: readonly Value[]): Outcome;
}

interface Types {
  readonly any: Value;
  readonly integer: number;
  readonly text: string;
}

type Arguments<Parameters extends readonly Parameter[]> = {
  [Index in keyof Parameters]: Types[Parameters[Index]];
};

function define<const Parameters extends readonly Parameter[]>(
  name: string,
  parameters: Parameters,
  zero: Value,
  of: (...args: Arguments<Parameters>) => Outcome,
): CesqlFunction {
  const apply = (args: readonly Value[]) => of(...args as unknown as Arguments<Parameters>);
  return { name, parameters, isVariadic: false, zero, apply };
}

/** Takes texts, `fewest` or more. */
function defineVariadic(
  name: string,
  fewest: number,
  of: (texts: readonly string[]) => string,
): CesqlFunction {
  const parameters = Array.from({ length: fewest }, () => "text" as const);
  return { name, parameters, isVariadic: true, zero: "", apply: (args) => of(args as readonly string[]) };
}

/**
 * The functions of CloudEvents SQL. IS_INT and IS_BOOL are those of its drafts, which its SDKs have kept. A character is
 * a code point.
 */
export const FUNCTIONS: readonly CesqlFunction[] = [
  define("INT", ["any"], 0, toInteger),
  define("BOOL", ["any"], false, toBoolean),
  define("STRING", ["any"], "", toText),
  define("IS_INT", ["any"], false, (value) => typeof toInteger(value) === "number"),
  define("IS_BOOL", ["any"], false, (value) => typeof toBoolean(value) === "boolean"),
  define("ABS", ["integer"], 0, (number) => asInteger(Math.abs(number)) ?? new Failure("math", 2 ** 31 - 1)),
  define("LENGTH", ["text"], 0, (text) => Array.from(text).length),
  defineVariadic("CONCAT", 0, (texts) => texts.join("")),
  defineVariadic("CONCAT_WS", 1, ([delimiter, ...texts]) => texts.join(delimiter)),
  define("LOWER", ["text"], "", (text) => text.toLowerCase()),
  define("UPPER", ["text"], "", (text) => text.toUpperCase()),
  define("TRIM", ["text"], "", trim),
  define("LEFT", ["text", "integer"], "", (text, count) => {
    if (count < 0) return new Failure("functionEvaluation", text);
    return Array.from(text).slice(0, count).join("");
  }),
  define("RIGHT", ["text", "integer"], "", (text, count) => {
    if (count < 0) return new Failure("functionEvaluation", text);
    const characters = Array.from(text);
    return characters.slice(Math.max(0, characters.length - count)).join("");
  }),
  define("SUBSTRING", ["text", "integer"], "", (text, position) => substring(text, position)),
  define("SUBSTRING", ["text", "integer", "integer"], "", substring),
];

function substring(text: string, position: number, length = Infinity): Outcome {
  const characters = Array.from(text);
  if (Math.abs(position) > characters.length || length < 0) return new Failure("functionEvaluation", "");
  if (position === 0) return "";
  const begin = position > 0 ? position - 1 : characters.length + position;
  return characters.slice(begin, begin + length).join("");
}

/** Unicode's white space, which is not quite that of `String.trim`; none of it is beyond U+FFFF. */
function trim(text: string): string {
  let [begin, end] = [0, text.length];
  while (begin < end && isSpace(text.charAt(begin))) begin++;
  while (begin < end && isSpace(text.charAt(end - 1))) end--;
  return text.slice(begin, end);
}

function isSpace(character: string): boolean {
  return /\p{White_Space}/u.test(character);
}

/** Names count in any case; one name has functions of several numbers of arguments. */
export function functionOf(name: string, count: number): CesqlFunction | undefined {
  return FUNCTIONS.find((known) =>
    known.name === name.toUpperCase() &&
    (known.isVariadic ? known.parameters.length <= count : known.parameters.length === count)
  );
}
