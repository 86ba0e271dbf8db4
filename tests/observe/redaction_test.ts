import assert from "node:assert/strict";
import { Redaction } from "../../src/observe/redaction.ts";

const CASES: readonly [string, readonly string[], string, string][] = [
  ["a secret", ["s3cret"], "password s3cret!", "password ***!"],
  ["every occurrence", ["s3cret"], "s3crets3cret s3cret", "****** ***"],
  ["the longest of overlapping secrets", ["abcd", "abcdef"], "abcdef abcd", "*** ***"],
  ["a secret with a special meaning in patterns", ["a.c*($1)"], "a.c*($1) abcx($1)", "*** abcx($1)"],
  ["a percent-encoded secret", ["p@ss w/rd"], "postgres://u:p%40ss%20w%2Frd@h", "postgres://u:***@h"],
  ["a secret inside of JSON", ['a"b\\c\nd'], JSON.stringify({ k: 'a"b\\c\nd' }), '{"k":"***"}'],
  ["a secret without its newline", ["s3cret\n"], "s3cret", "***"],
  ["a short secret where it stands alone", ["ab"], "ab cab ab1 'ab'", "*** cab ab1 '***'"],
  ["nothing for an empty secret", ["", " "], "a b", "a b"],
  ["nothing without secrets", [], "a b", "a b"],
];

for (const [title, secrets, text, expected] of CASES) {
  Deno.test(`masks ${title}`, () => {
    assert.equal(new Redaction(secrets).apply(text), expected);
  });
}

Deno.test("masks what is added later", () => {
  const redaction = new Redaction(["first"]);
  assert.equal(redaction.apply("first second"), "*** second");
  redaction.add("second");
  assert.equal(redaction.apply("first second"), "*** ***");
});
