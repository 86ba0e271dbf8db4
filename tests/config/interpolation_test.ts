import assert from "node:assert/strict";
import fc from "fast-check";
import { interpolate } from "../../src/config/interpolation.ts";

const REFERENCES = {
  environment: {
    HOST: "db.example.com",
    EMPTY: "",
    PART: "${HOST}",
    MONEY: "$$ ${NOPE} }",
    NAME_1: "one",
  },
  readTextFile(path: string): string {
    const text =
      { "/run/secrets/pw": "s3cret\n", "/run/crlf": "a\r\n", "/run/two": "a\n\n", "/run/none": "" }[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  },
};

const TEXTS: readonly [string, string][] = [
  ["plain", "plain"],
  ["${HOST}", "db.example.com"],
  ["http://${HOST}:${NAME_1}/x", "http://db.example.com:one/x"],
  ["${EMPTY}", ""],
  ["${EMPTY:-fallback}", "fallback"],
  ["${UNSET:-fallback}", "fallback"],
  ["${UNSET:-}", ""],
  ["${HOST:-fallback}", "db.example.com"],
  ["${UNSET:-a:-b, {c}}", "a:-b, {c}"],
  ["${UNSET:-${HOST}}", "db.example.com"],
  ["${UNSET:-${ALSO:-deep}}!", "deep!"],
  ["${PART}", "${HOST}"],
  ["${MONEY}", "$$ ${NOPE} }"],
  ["$${HOST}", "${HOST}"],
  ["$$${HOST}", "$${HOST}"],
  ["$HOST $ $$ $5 $", "$HOST $ $$ $5 $"],
  ["} {x} }", "} {x} }"],
  ["${file:/run/secrets/pw}", "s3cret"],
  ["${file:/run/crlf}", "a"],
  ["${file:/run/two}", "a\n"],
  ["${file:/run/none}", ""],
  ["${file:${DIRECTORY:-/run/secrets}/pw}", "s3cret"],
];

for (const [text, expected] of TEXTS) {
  Deno.test(`interpolates ${JSON.stringify(text)}`, () => {
    const result = interpolate(text, REFERENCES);
    assert.deepEqual(result.problems, []);
    assert.equal(result.text, expected);
  });
}

const MISTAKES: readonly [string, RegExp][] = [
  ["${UNSET}", /^the environment variable UNSET is not set$/],
  ["${constructor}", /^the environment variable constructor is not set$/],
  ["${HOST", /without a '}'/],
  ["${UNSET:-a\nb}", /without a '}'/],
  ["${}", /^expected \$\{NAME\}/],
  ["${A B}", /^expected \$\{NAME\}/],
  ["${1A}", /^expected \$\{NAME\}/],
  ["${A-b}", /^expected \$\{NAME\}/],
  ["${file:/nowhere}", /^the file \/nowhere cannot be read: there is no such file$/],
  ["${A:-".repeat(40) + "}".repeat(40), /nested too deeply/],
];

for (const [text, message] of MISTAKES) {
  Deno.test(`reports ${JSON.stringify(text.slice(0, 30))}`, () => {
    const { problems } = interpolate(text, REFERENCES);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", message);
  });
}

Deno.test("tells what came out of files, and only that", () => {
  const { secrets } = interpolate("${HOST} ${file:/run/secrets/pw}", REFERENCES);
  assert.deepEqual(secrets, ["s3cret"]);
});

Deno.test("a text whose every '${' is escaped comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."${}:-aA _\n") }), (text) => {
      const escaped = text.replaceAll("${", () => "$${");
      assert.equal(interpolate(escaped, REFERENCES).text, text);
    }),
    { seed: 1, numRuns: 2_000 },
  );
});
