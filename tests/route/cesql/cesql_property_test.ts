import assert from "node:assert/strict";
import fc from "fast-check";
import { CesqlFilter } from "../../../src/route/cesql/cesql_filter.ts";
import { compile } from "../../../src/route/cesql/compile.ts";
import { FUNCTIONS } from "../../../src/route/cesql/functions.ts";
import { likePattern } from "../../../src/route/cesql/like_pattern.ts";
import { parseCesql } from "../../../src/route/cesql/parser.ts";
import { Failure } from "../../../src/route/cesql/value.ts";
import { FilterError } from "../../../src/route/filter/filter_error.ts";
import { writtenEvent } from "../../support/filter_events.ts";

const seed = 20260101;

const WORDS = ["", "a", "ab", "true", "False", "7", "-2147483648", "99999999999", "\ud800", "𝒳 "] as const;
const NAMES = ["type", "subject", "SOURCE", "count", "flag", "1st", "gone"] as const;

const attributes = fc.record({
  type: fc.constantFrom(...WORDS),
  subject: fc.constantFrom(...WORDS),
  source: fc.constantFrom(...WORDS),
  count: fc.oneof(fc.integer(), fc.constantFrom(1e300, 0.5, 2147483648)),
  flag: fc.boolean(),
  "1st": fc.constantFrom(...WORDS),
}, { requiredKeys: [] });

function quoted(text: string): string {
  return `'${text.replaceAll("'", "\\'")}'`;
}

const word = fc.constantFrom(...WORDS);
const { expression } = fc.letrec<{ expression: string; list: string }>((tie) => ({
  expression: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.constantFrom("TRUE", "false", "0", "1", "-5", "2147483647", "-2147483648"),
    fc.constantFrom(...NAMES),
    word.map(quoted),
    fc.constantFrom(...NAMES).map((name) => `EXISTS ${name}`),
    // What routes are made of, and what a requirement is seen in.
    fc.tuple(fc.constantFrom(...NAMES), word).map(([name, text]) => `${name} = ${quoted(text)}`),
    fc.tuple(fc.constantFrom(...NAMES), word, word).map(([name, a, b]) =>
      `${name} IN (${quoted(a)}, ${quoted(b)})`
    ),
    fc.tuple(fc.constantFrom("NOT ", "- ", "-"), tie("expression")).map(([operator, operand]) =>
      `${operator}(${operand})`
    ),
    tie("expression").map((inner) => `(${inner})`),
    fc.tuple(
      tie("expression"),
      fc.constantFrom(..."AND or XOR = != <> < <= > >= + - * / %".split(" ")),
      tie("expression"),
    ).map((parts) => parts.join(" ")),
    fc.tuple(
      tie("expression"),
      fc.constantFrom("LIKE", "NOT LIKE"),
      fc.constantFrom("'%'", "'_'", "'a%'", "'7'"),
    )
      .map((parts) => parts.join(" ")),
    fc.tuple(tie("expression"), fc.constantFrom("IN", "NOT IN"), tie("list")).map(([left, operator, list]) =>
      `${left} ${operator} (${list})`
    ),
    fc.tuple(fc.constantFrom(...FUNCTIONS.map(({ name }) => name), "NOWHERE"), fc.option(tie("list"))).map((
      [name, list],
    ) => `${name}(${list ?? ""})`),
  ),
  list: fc.array(tie("expression"), { minLength: 1, maxLength: 3 }).map((items) => items.join(", ")),
}));

Deno.test("an expression of the grammar parses, and whatever its event, evaluates without an exception", () => {
  let [matching, failing, other, missing, required] = [0, 0, 0, 0, 0];
  fc.assert(
    fc.property(expression, fc.array(attributes, { minLength: 1, maxLength: 4 }), (text, events) => {
      const { expression, missingFunction } = parseCesql(text);
      const evaluate = compile(expression);
      const filter = missingFunction ? undefined : new CesqlFilter(text);
      if (missingFunction) missing++;
      for (const attributes of events) {
        const event = writtenEvent({ attributes });
        const outcome = evaluate(event);
        const value = outcome instanceof Failure ? outcome.value : outcome;
        assert.ok(
          ["string", "boolean"].includes(typeof value) || Object.is(value, (value as number) | 0),
          text,
        );
        if (outcome instanceof Failure) failing++;
        else outcome === true ? matching++ : other++;
        assert.equal(filter?.matches(event) ?? outcome === true, outcome === true);
        const { attribute = "", texts } = filter?.requirement ?? {};
        if (outcome === true && texts) {
          required++;
          assert.ok(texts.includes(String((attributes as Record<string, unknown>)[attribute])), text);
        }
      }
    }),
    { seed, numRuns: 5000 },
  );
  assert.ok(Math.min(matching, failing, other, missing) > 500, `${[matching, failing, other, missing]}`);
  assert.ok(required > 50, `only ${required} matched that had a requirement`);
});

function parses(text: string): void {
  try {
    new CesqlFilter(text);
  } catch (error) {
    assert.ok(error instanceof FilterError, `${error} of ${JSON.stringify(text)}`);
    assert.ok(error.column >= 1 && error.column <= Array.from(text).length + 1, `column ${error.column}`);
    assert.match(error.message, /expected/);
  }
}

Deno.test("no text whatever makes reading CloudEvents SQL fail with anything but a filter's error", () => {
  const piece = fc.constantFrom(
    ..."AND or NOT IN like EXISTS true type data ( ) , = != <> < + - * / % 5 2147483648 'x' ' \" \\".split(
      " ",
    ),
    ...["LEFT", "CONCAT_WS", "my_key", " ", "\n", "\ud800", "é", "[", "$", "''"],
  );
  const garbage = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(piece).map((pieces) => pieces.join("")),
    fc.array(piece).map((pieces) => pieces.join(" ")),
  );
  fc.assert(fc.property(garbage, parses), { seed, numRuns: 10_000 });
});

Deno.test("valid CloudEvents SQL with a slip in it is refused at some column, or is valid", () => {
  fc.assert(
    fc.property(
      expression,
      fc.nat(),
      fc.nat({ max: 3 }),
      fc.string({ maxLength: 2 }),
      (text, at, length, instead) => {
        const begin = at % (text.length + 1);
        parses(text.slice(0, begin) + instead + text.slice(begin + length));
      },
    ),
    { seed, numRuns: 5000 },
  );
});

/** LIKE by its definition, slowly. */
function isLike(text: readonly string[], pattern: readonly string[]): boolean {
  const [item, ...rest] = pattern;
  if (item === undefined) return text.length === 0;
  if (item === "%") return isLike(text, rest) || (text.length > 0 && isLike(text.slice(1), pattern));
  const [first, ...others] = text;
  return first !== undefined && (item === "_" || first === item.replace(/^\\(?=[%_])/, "")) &&
    isLike(others, rest);
}

Deno.test("LIKE matches what its definition says, done slowly", () => {
  const text = fc.array(fc.constantFrom("a", "b", "%", "_", "\\", "𝒳", ".", "\n"), { maxLength: 8 });
  const pattern = fc.array(fc.constantFrom("a", "b", "%", "_", "\\%", "\\_", "𝒳", "."), { maxLength: 7 });
  let matching = 0;
  fc.assert(
    fc.property(text, pattern, (text, pattern) => {
      const expected = isLike(text, pattern);
      if (expected) matching++;
      assert.equal(likePattern(pattern.join(""))(text.join("")), expected);
    }),
    { seed, numRuns: 20_000 },
  );
  assert.ok(matching > 500, `${matching} matched`);
});
