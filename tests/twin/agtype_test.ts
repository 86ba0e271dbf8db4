import assert from "node:assert/strict";
import fc from "fast-check";
import { agtypeToJson, readAgtype } from "../../src/twin/agtype.ts";
import { JsonTextError } from "../../src/twin/json_text.ts";

const seed = 20260101;

Deno.test("agtype that is JSON stays as it is, digit for digit", () => {
  for (
    const text of [
      '{"exact": 22.0, "big": 9007199254740993, "min": -9223372036854775808, "huge": 1e+300, "neg": -0.0}',
      '{"name": "café \\n \\"q\\" \\\\ \\u0001 😀", "empty": {}, "list": []}',
      "22.0",
    ]
  ) {
    assert.equal(agtypeToJson(text), text);
    assert.equal(`${readAgtype(text)}`, text);
  }
});

Deno.test("agtype's suffixes are dropped and its odd numbers become strings", () => {
  const cases: readonly (readonly [agtype: string, json: string])[] = [
    ["1.10::numeric", "1.10"],
    [
      '{"dec": 1.1::numeric, "n": 12345678901234567890.123456789::numeric}',
      '{"dec": 1.1, "n": 12345678901234567890.123456789}',
    ],
    ["[NaN, Infinity, -Infinity, -1, 22.0]", '["NaN", "Infinity", "-Infinity", -1, 22.0]'],
    ['{"nan":NaN,"inf":-Infinity}', '{"nan":"NaN","inf":"-Infinity"}'],
    ["NaN::numeric", '"NaN"'],
    [
      '{"id": 844424930131969, "label": "Twin", "properties": {"a": 1.50::numeric}}::vertex',
      '{"id": 844424930131969, "label": "Twin", "properties": {"a": 1.50}}',
    ],
    ['[{"id": 1}::vertex, {"id": 2}::edge]::path', '[{"id": 1}, {"id": 2}]'],
  ];
  for (const [agtype, json] of cases) {
    assert.equal(agtypeToJson(agtype), json);
    assert.equal(`${readAgtype(agtype)}`, json);
  }
});

Deno.test("what looks like agtype's own stays inside of strings", () => {
  const text = '{"Infinity": "1::numeric", "a::vertex": "NaN", "q": "\\"::edge -Infinity\\\\", "n": 1';
  assert.equal(agtypeToJson(`${text}::numeric}`), `${text}}`);
});

Deno.test("what is no agtype is refused", () => {
  for (
    const text of [
      "",
      "{",
      '{"a": 1.5::float}',
      '{"a": nan}',
      '{"a": NaNa}',
      '{"a": +Infinity}',
      '{"a": "::numeric',
      '{"a": "Infinity\\',
      '{"a": 1 ::vertexes}',
      "{'a': NaN}",
    ]
  ) {
    assert.throws(() => readAgtype(text), JsonTextError, text);
  }
});

/** Writes a value as AGE does, and as JSON. */
type Written = readonly [agtype: string, json: string];

const number: fc.Arbitrary<Written> = fc.oneof(
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((value): Written => [`${value}`, `${value}`]),
  fc.stringMatching(/^-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}$/).map((
    text,
  ): Written => [`${text}::numeric`, text]),
  fc.stringMatching(/^-?[1-9]\.[0-9]{1,15}e[+-][1-9][0-9]$/).map((text): Written => [text, text]),
  fc.constantFrom("NaN", "Infinity", "-Infinity").map((word): Written => [word, `"${word}"`]),
);
const text: fc.Arbitrary<Written> = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("::numeric", 'a"::edge', "\\", "-Infinity", "\\NaN\\", '"NaN"'),
).map((value): Written => [JSON.stringify(value), JSON.stringify(value)]);

const { value: agtype } = fc.letrec<{ value: Written }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    number,
    text,
    fc.array(tie("value"), { maxLength: 4 }).map((items): Written => [
      `[${items.map(([agtype]) => agtype).join(", ")}]`,
      `[${items.map(([, json]) => json).join(", ")}]`,
    ]),
    fc.tuple(
      fc.array(fc.tuple(text, tie("value")), { maxLength: 4 }),
      fc.constantFrom("", "::vertex", "::edge"),
    ).map(
      ([members, suffix]): Written => [
        `{${members.map(([[key], [value]]) => `${key}: ${value}`).join(", ")}}${suffix}`,
        `{${members.map(([[, key], [, value]]) => `${key}: ${value}`).join(", ")}}`,
      ],
    ),
  ),
}));

Deno.test("agtype of any shape becomes its JSON, digit for digit", () => {
  fc.assert(
    fc.property(agtype, ([agtype, json]) => {
      assert.equal(agtypeToJson(agtype), json);
      assert.equal(`${readAgtype(agtype)}`, json);
    }),
    { seed, numRuns: 1000 },
  );
});
