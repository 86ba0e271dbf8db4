import assert from "node:assert/strict";
import { indexAlike } from "../../src/twin/json_alike.ts";
import { indexJson } from "../../src/twin/json_index.ts";
import { JsonText } from "../../src/twin/json_text.ts";

/** The slices that differ; `undefined` if the texts are not alike. */
function changed(knownText: string, text: string): string[] | undefined {
  const known = indexJson(knownText);
  assert(typeof known !== "number");
  const alike = indexAlike(text, knownText, known);
  if (alike) assert.deepEqual(alike.index, indexJson(text));
  return alike?.changed.map((node) => text.slice(alike.index[node], alike.index[node + 1]));
}

Deno.test("texts that differ in strings, numbers and words are alike", () => {
  assert.deepEqual(changed('{"a": 1, "b": "x"}', '{"a": 1, "b": "x"}'), []);
  assert.deepEqual(changed('{"a": 1, "b": ["x", true]}', '{"a": 2, "b": ["y", null]}'), ["2", '"y"', "null"]);
  assert.deepEqual(changed('{"a": 2, "b": [9]}', '{"a": 21, "b": [9.5]}'), ["21", "9.5"]);
  assert.deepEqual(changed('{"a": 21, "b": [9.5]}', '{"a": 2, "b": [9]}'), ["2", "9"]);
  assert.deepEqual(changed('{"a": "x"}', '{"a": "a longer string"}'), ['"a longer string"']);
  assert.deepEqual(changed('{"a": 1}', '{"b": 1}'), ['"b"']);
  assert.deepEqual(changed("1", "12"), ["12"]);
  assert.deepEqual(changed('{"a": {}}', '{"a": 1}'), ["1"]);
});

Deno.test("texts of another structure, or none, are not alike", () => {
  for (
    const [known, text] of [
      ['{"a": 1}', '{"a":1}'],
      ['{"a": 1}', '{"a": 1, "b": 2}'],
      ['{"a": 1, "b": 2}', '{"a": 1}'],
      ['{"a": 1}', '{"a": {}}'],
      ['{"a": {}}', '{"a": []}'],
      ['{"a": [1]}', '{"a": [1}]'],
      ['{"a": 1}', "{1: 1}"],
      ['{"a": 1}', '{"a": 1'],
      ['{"a": 1}', '{"a": 1}}'],
      ['{"a": 1}', '{"a": 1}\0}'],
      ['{"a": "x"}', '{"a": "x}'],
      ["3e-323", '3e-32"'],
      [" 1", "1"],
      ["1", ""],
    ] as const
  ) {
    assert.equal(changed(known, text), undefined, `${known} ${text}`);
  }
});

Deno.test("what is not ASCII is not taken for alike", () => {
  for (
    const [after, before] of [['{"a": "?"}', '{"a": "é"}'], ['{"a": "é"}', '{"a": "?"}'], [
      '{"a": "é"}',
      '{"a": "è"}',
    ]] as const
  ) {
    const now = JsonText.parse(after);
    const was = JsonText.tryParse(before, now) ?? assert.fail();
    assert.deepEqual(now.differencesFrom(was).map(({ before, after }) => [`${before}`, `${after}`]), [
      [before.slice(6, 9), after.slice(6, 9)],
    ]);
  }
});

Deno.test("alike texts are compared anywhere, not only where they stand alike", () => {
  const now = JsonText.parse('{"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}');
  const was = JsonText.tryParse('{"a": {"x": 1, "y": 2}, "b": {"x": 5, "y": 3}}', now) ?? assert.fail();
  const differing = (a: JsonText | undefined, b: JsonText | undefined) =>
    a && b ? a.differencesFrom(b).map(({ key }) => key) : assert.fail();
  assert.deepEqual(differing(now, was), ["b"]);
  assert.deepEqual(differing(was, now), ["b"]);
  assert.deepEqual(differing(now.get("a"), was.get("a")), []);
  assert.deepEqual(differing(now.get("b"), was.get("b")), ["x"]);
  assert.deepEqual(differing(now.get("a"), was.get("b")), ["x", "y"]);
  assert.deepEqual(differing(now.get("b"), was.get("a")), ["y"]);
});
