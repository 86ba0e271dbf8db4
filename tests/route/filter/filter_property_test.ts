import assert from "node:assert/strict";
import fc from "fast-check";
import { Filter } from "../../../src/route/filter/filter.ts";
import { FilterError } from "../../../src/route/filter/filter_error.ts";
import type { ModelHierarchy } from "../../../src/route/filter/model_hierarchy.ts";
import { type SampleEvent, writtenEvent } from "../../support/filter_events.ts";

const seed = 20260101;

/*
 * A second reading of the language, slow and without the first one's code: what is generated is a filter's text and,
 * beside it, its meaning.
 */

/** JSON in which numbers keep their notation. */
type Json = null | boolean | string | Written | readonly Json[] | Members;
type Scalar = Exclude<Json, readonly Json[]>;

class Written {
  constructor(readonly notation: string) {}

  /** The value times 10^450, exactly. */
  get scaled(): bigint {
    const [mantissa = "", exponent = "0"] = this.notation.toLowerCase().split("e");
    const [whole = "", fraction = ""] = mantissa.split(".");
    return BigInt(whole.replace("-", "") + fraction) * (whole.startsWith("-") ? -1n : 1n) *
      10n ** BigInt(450 - fraction.length + Number(exponent));
  }
}

class Members {
  constructor(readonly of: ReadonlyMap<string, Json>) {}
}

interface Sample {
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: Json | undefined;
}

interface Meaning<Result> {
  readonly text: string;
  readonly means: (event: Sample) => Result;
}

const KEYS = ["a", "b", "$metadata", "modelId", "key with space", "it's", "in"] as const;
const TEXTS = ["", "a", "ab", "b'c", "/Temperature", "dtmi:x:Lab;1", "dtmi:x:Room;1"] as const;
const NUMBERS = [
  ...[
    "0",
    "-0",
    "-0.0e5",
    "22",
    "22.0",
    "2.2e1",
    "220E-1",
    "-5",
    "0.1",
    "0.10000000000000001",
    "1e400",
    "10e399",
  ],
  ...["1e-400", "9007199254740992", "9007199254740993", "9007199254740993.0", "-9007199254740993"],
] as const;
/** Microseconds after noon. */
const TIMES: Readonly<Record<string, number>> = {
  "2026-01-01T12:00:00Z": 0,
  "2026-01-01T13:00:00.000+01:00": 0,
  "2026-01-01T12:00:00.000001Z": 1,
  "2026-01-01T12:00:00.00000100Z": 1,
  "2026-01-01t06:30:00.123456-05:30": 123456,
  "2026-01-01": -12 * 3600 * 1e6,
  "1969-12-31T23:59:59.5Z": -1767268800.5 * 1e6,
  "no time": NaN,
};
const models: ModelHierarchy = {
  isOfModel: (model, ancestor) =>
    model === ancestor || (model === "dtmi:x:Lab;1" && ancestor === "dtmi:x:Room;1"),
};

function jsonText(json: Json): string {
  if (json instanceof Written) return json.notation;
  if (json instanceof Members) {
    return `{${[...json.of].map(([key, value]) => `${JSON.stringify(key)}: ${jsonText(value)}`).join(", ")}}`;
  }
  return Array.isArray(json) ? `[${json.map(jsonText).join(",")}]` : JSON.stringify(json);
}

const number = fc.constantFrom(...NUMBERS).map((notation) => new Written(notation));
const word = fc.constantFrom(...TEXTS);
const scalar = fc.oneof(fc.constant(null), fc.boolean(), word, number);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { arbitrary: scalar, weight: 2 },
    { arbitrary: fc.array(tie("json"), { maxLength: 3 }), weight: 2 },
    {
      arbitrary: fc.uniqueArray(fc.tuple(fc.constantFrom(...KEYS, "$model"), tie("json")), {
        maxLength: 4,
        selector: ([key]) => key,
      }).map((members) => new Members(new Map(members))),
      weight: 3,
    },
  ),
}));
const sample: fc.Arbitrary<Sample> = fc.record({
  attributes: fc.record({
    type: word,
    subject: fc.oneof(word, fc.constantFrom(...Object.keys(TIMES))),
    time: fc.constantFrom(...Object.keys(TIMES)),
    dataschema: word,
  }, { requiredKeys: [] }),
  body: fc.option(json, { nil: undefined }),
});

/** Everything that a path leads to; undefined for what is missing. */
function reach(json: Json | undefined, path: readonly (string | number)[]): (Json | undefined)[] {
  const [step, ...rest] = path;
  if (step === undefined) return [json];
  if (typeof step === "number") return reach(Array.isArray(json) ? json[step] : undefined, rest);
  if (Array.isArray(json)) return json.flatMap((item) => reach(item, path));
  return reach(json instanceof Members ? json.of.get(step) : undefined, rest);
}

function flattened(json: Json | undefined): Scalar[] {
  if (json instanceof Array) return json.flatMap(flattened);
  return [json as Scalar | undefined ?? null];
}

function isSame(a: Json, b: Json): boolean {
  if (a instanceof Written) return b instanceof Written && a.scaled === b.scaled;
  if (a instanceof Members) {
    return b instanceof Members && a.of.size === b.of.size &&
      [...a.of].every(([key, value]) => b.of.has(key) && isSame(value, b.of.get(key) ?? null));
  }
  if (a instanceof Array) {
    return b instanceof Array && a.length === b.length &&
      a.every((item, index) => isSame(item, b[index] ?? null));
  }
  return a === b;
}

function isOrdered(a: Scalar, b: Scalar, operator: string): boolean {
  let order: number;
  if (a instanceof Written && b instanceof Written) {
    order = Number(a.scaled > b.scaled) - Number(a.scaled < b.scaled);
  } else if (typeof a === "string" && typeof b === "string") order = Number(a > b) - Number(a < b);
  else return false;
  return sign(order, operator);
}

function sign(order: number, operator: string): boolean {
  return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "=": order === 0 }[operator] ??
    false;
}

/** `time` on either side makes instants of both. */
function compare(a: Scalar, b: Scalar, operator: string, isTime: boolean): boolean {
  if (isTime) {
    if (a === b && operator === "=") return true;
    if (typeof a !== "string" || typeof b !== "string") return false;
    return sign((TIMES[a] ?? NaN) - (TIMES[b] ?? NaN), operator);
  }
  return operator === "=" ? isSame(a, b) : isOrdered(a, b, operator);
}

interface Operand extends Meaning<readonly Scalar[]> {
  readonly isTime?: boolean;
}

interface Place extends Operand {
  readonly isDefined: (event: Sample) => boolean;
}

/** A word in any case. */
function keyword(word: string): fc.Arbitrary<string> {
  const cases = fc.infiniteStream(fc.boolean());
  return cases.map((stream) =>
    [...word].map((letter) => (stream.next().value ? letter.toLowerCase() : letter.toUpperCase())).join("")
  );
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const literal: fc.Arbitrary<Operand> = fc.oneof(
  fc.oneof(word, fc.constantFrom(...Object.keys(TIMES))).map((value) => ({
    text: quote(value),
    means: () => [value],
  })),
  number.map((value) => ({ text: value.notation, means: () => [value] })),
  fc.constantFrom(true, false, null).chain((value) =>
    keyword(String(value)).map((text) => ({ text, means: () => [value] }))
  ),
);
const attribute: fc.Arbitrary<Place> = fc.constantFrom("type", "subject", "time", "dataschema", "gone").map((
  name,
) => ({
  text: name,
  means: ({ attributes }) => [attributes[name] ?? null],
  isDefined: ({ attributes }) => attributes[name] !== undefined,
  isTime: name === "time",
}));
const step = fc.oneof(fc.constantFrom(...KEYS), fc.nat({ max: 2 }));
const bodyPlace: fc.Arbitrary<Place> = fc.tuple(fc.array(step, { maxLength: 3 }), fc.boolean()).map((
  [path, dotted],
) => ({
  text: "$body" + path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    return dotted && /^[$\w]+$/.test(step) ? `.${step}` : `[${quote(step)}]`;
  }).join(""),
  means: ({ body }) => reach(body, path).flatMap(flattened),
  isDefined: ({ body }) => reach(body, path).some((found) => found !== undefined),
}));
const place = fc.oneof({ arbitrary: bodyPlace, weight: 3 }, attribute);
const operand: fc.Arbitrary<Operand> = fc.oneof({ arbitrary: place, weight: 2 }, literal);

function anyPair(a: Operand, b: Operand, holds: (a: Scalar, b: Scalar, isTime: boolean) => boolean) {
  const isTime = a.isTime || b.isTime || false;
  return (event: Sample) => a.means(event).some((x) => b.means(event).some((y) => holds(x, y, isTime)));
}

const comparison: fc.Arbitrary<Meaning<boolean>> = fc.tuple(
  operand,
  fc.constantFrom("=", "!=", "<", "<=", ">", ">="),
  operand,
  fc.constantFrom("", " ", "\n\t "),
).map(([a, operator, b, space]) => {
  const means = anyPair(a, b, (x, y, isTime) => compare(x, y, operator === "!=" ? "=" : operator, isTime));
  return {
    text: [a.text, operator, b.text].join(space),
    means: operator === "!=" ? (event) => !means(event) : means,
  };
});
const membership: fc.Arbitrary<Meaning<boolean>> = fc.tuple(
  operand,
  fc.array(operand, { maxLength: 4 }),
  fc.boolean(),
)
  .chain(([a, list, isIn]) =>
    keyword(isIn ? "IN" : "NIN").map((word) => ({
      text: `${a.text} ${word} [${list.map(({ text }) => text).join(", ")}]`,
      means: (event) =>
        list.some((b) => anyPair(a, b, (x, y, isTime) => compare(x, y, "=", isTime))(event)) === isIn,
    }))
  );

const TEXT_FUNCTIONS = {
  STARTS_WITH: (text: string, part: string) => text.slice(0, part.length) === part,
  ENDS_WITH: (text: string, part: string) => part === "" || text.slice(-part.length) === part,
  CONTAINS: (text: string, part: string) => text.split(part).length > 1 || part === "",
};
const textFunction: fc.Arbitrary<Meaning<boolean>> = fc.tuple(
  fc.constantFrom("STARTS_WITH", "ENDS_WITH", "CONTAINS"),
  operand,
  operand,
).chain(([name, a, b]) =>
  keyword(name).map((word) => ({
    text: `${word}(${a.text}, ${b.text})`,
    means: anyPair(a, b, (x, y) =>
      typeof x === "string" && typeof y === "string" && TEXT_FUNCTIONS[name](x, y)),
  }))
);
const TYPES = {
  IS_NUMBER: (value: Scalar) => value instanceof Written,
  IS_STRING: (value: Scalar) => typeof value === "string",
  IS_BOOL: (value: Scalar) => typeof value === "boolean",
  IS_OBJECT: (value: Scalar) => value instanceof Members,
};
const typeFunction: fc.Arbitrary<Meaning<boolean>> = fc.tuple(
  fc.constantFrom("IS_NUMBER", "IS_STRING", "IS_BOOL", "IS_OBJECT"),
  operand,
).map(([name, a]) => ({ text: `${name}(${a.text})`, means: (event) => a.means(event).some(TYPES[name]) }));
const defined: fc.Arbitrary<Meaning<boolean>> = place.map(({ text, isDefined }) => ({
  text: `IS_DEFINED(${text})`,
  means: isDefined,
}));
const ofModel: fc.Arbitrary<Meaning<boolean>> = fc.tuple(
  fc.constantFrom("dtmi:x:Lab;1", "dtmi:x:Room;1"),
  fc.constantFrom("", ", exact"),
).map(([model, exact]) => ({
  text: `IS_OF_MODEL('${model}'${exact})`,
  means({ attributes, body }) {
    const member = (json: Json | undefined, key: string) =>
      json instanceof Members ? json.of.get(key) : undefined;
    const named = [
      member(member(body, "$metadata"), "$model"),
      member(body, "modelId"),
      attributes.dataschema,
    ];
    const own = named.find((name) => typeof name === "string");
    return own === model || (exact === "" && own === "dtmi:x:Lab;1" && model === "dtmi:x:Room;1");
  },
}));

function joined(
  term: fc.Arbitrary<Meaning<boolean>>,
  word: string,
  join: (values: readonly boolean[]) => boolean,
): fc.Arbitrary<Meaning<boolean>> {
  return fc.tuple(fc.array(term, { minLength: 1, maxLength: 3 }), keyword(word)).map(([terms, word]) => ({
    text: terms.map(({ text }) => text).join(` ${word} `),
    means: (event) => join(terms.map(({ means }) => means(event))),
  }));
}

const { or: filter } = fc.letrec<Record<"or" | "and" | "not" | "primary", Meaning<boolean>>>((tie) => ({
  or: joined(tie("and"), "OR", (values) => values.includes(true)),
  and: joined(tie("not"), "AND", (values) => !values.includes(false)),
  not: fc.oneof(
    { weight: 3, arbitrary: tie("primary") },
    {
      weight: 1,
      arbitrary: fc.tuple(keyword("NOT"), tie("not")).map(([word, { text, means }]) => ({
        text: `${word} ${text}`,
        means: (event: Sample) => !means(event),
      })),
    },
  ),
  primary: fc.oneof(
    { depthSize: "small" },
    { weight: 6, arbitrary: fc.oneof(comparison, membership, textFunction, typeFunction, defined, ofModel) },
    { weight: 1, arbitrary: fc.boolean().map((value) => ({ text: String(value), means: () => value })) },
    {
      weight: 2,
      arbitrary: tie("or").map(({ text, means }) => ({ text: `(${text})`, means })),
    },
  ),
}));

Deno.test("a filter matches what a second, slow reading of the language says that it does", () => {
  let [matching, other] = [0, 0];
  fc.assert(
    fc.property(filter, fc.array(sample, { minLength: 1, maxLength: 5 }), ({ text, means }, samples) => {
      fc.pre(text.length <= 10_000);
      const read = new Filter(text);
      for (const event of samples) {
        const { attributes, body } = event;
        const written: SampleEvent = { attributes, ...(body !== undefined && { body: jsonText(body) }) };
        const expected = means(event);
        expected ? matching++ : other++;
        const { attribute, texts } = read.requirement ?? {};
        if (expected && attribute !== undefined) {
          assert.ok(
            texts?.includes(attributes[attribute] ?? ""),
            `${text} requires ${texts} of ${attribute}`,
          );
        }
        assert.equal(
          read.matches(writtenEvent(written), models),
          expected,
          `${text} of ${JSON.stringify(written)}`,
        );
      }
    }),
    { seed, numRuns: 5000 },
  );
  assert.ok(matching > 1000 && other > 1000, `${matching} matched, ${other} did not`);
});

function parses(text: string): boolean {
  try {
    new Filter(text);
    return true;
  } catch (error) {
    assert.ok(error instanceof FilterError, `${error} of ${JSON.stringify(text)}`);
    assert.ok(error.column >= 1 && error.column <= Array.from(text).length + 1, `column ${error.column}`);
    assert.match(error.message, /expected/);
    return false;
  }
}

Deno.test("no text whatever makes reading a filter fail with anything but a filter's error", () => {
  const piece = fc.constantFrom(
    ...[
      "AND",
      "or",
      "NOT",
      "IN",
      "nin",
      "true",
      "null",
      "type",
      "$body",
      ".a",
      "[",
      "]",
      "(",
      ")",
      ",",
      "=",
      "!=",
      "<",
    ],
    ...[
      "'x'",
      "'",
      '"',
      "5",
      "-",
      "1e",
      ".",
      "IS_DEFINED",
      "is_of_model",
      "'dtmi:x;1'",
      " ",
      "\n",
      "\ud800",
      "é",
      "[0]",
    ],
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.array(piece).map((pieces) => pieces.join(""))),
      (text) => {
        parses(text);
      },
    ),
    { seed, numRuns: 10_000 },
  );
});

Deno.test("a valid filter with a slip in it is refused at some column, or is another valid one", () => {
  fc.assert(
    fc.property(
      filter,
      fc.nat(),
      fc.nat(),
      fc.string({ maxLength: 2 }),
      ({ text }, from, length, instead) => {
        const begin = from % (text.length + 1);
        parses(text.slice(0, begin) + instead + text.slice(begin + length % 4));
      },
    ),
    { seed, numRuns: 5000 },
  );
});
