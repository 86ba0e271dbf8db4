import assert from "node:assert/strict";
import { JsonText, JsonTextError } from "../../src/twin/json_text.ts";

Deno.test("JsonText says of what kind a value is and gives it as it is written", () => {
  const body = JsonText.parse(
    ' {"o": {"a": 1}, "l": [1, 2], "s": "x\\n\\u00e9\\/", "n": -22.50e+1, "t": true, "f": false, "z": null} ',
  );
  assert.equal(body.kind, "object");
  assert.equal(body.size, 7);
  assert.deepEqual([...body.members()].map(([key, value]) => [key, value.kind, `${value}`]), [
    ["o", "object", '{"a": 1}'],
    ["l", "array", "[1, 2]"],
    ["s", "string", '"x\\n\\u00e9\\/"'],
    ["n", "number", "-22.50e+1"],
    ["t", "boolean", "true"],
    ["f", "boolean", "false"],
    ["z", "null", "null"],
  ]);
  assert.equal(body.get("s")?.string, "x\né/");
  assert.equal(body.get("n")?.number, "-22.50e+1");
  assert.equal(body.get("t")?.boolean, true);
  assert.equal(body.get("f")?.boolean, false);
  assert.deepEqual(body.get("l")?.items().map(String), ["1", "2"]);
  assert.equal(body.get("l")?.size, 2);
  assert.equal(body.get("o")?.get("a")?.number, "1");
});

Deno.test("JsonText gives nothing for what a value is not", () => {
  const list = JsonText.parse('["a"]');
  assert.equal(list.get("0"), undefined);
  assert.equal(list.members().size, 0);
  assert.equal(list.string, undefined);
  assert.equal(list.number, undefined);
  assert.equal(list.boolean, undefined);
  const text = JsonText.parse('"a"');
  assert.deepEqual(text.items(), []);
  assert.equal(text.size, 0);
  assert.equal(JsonText.parse("{}").get("a"), undefined);
});

Deno.test("JsonText finds keys however they are written", () => {
  const body = JsonText.parse('{"\\u0024dtId": "x", "$dtIdx": 1, "a\\"b": 2, "": 3, "é": 4}');
  assert.equal(body.get("$dtId")?.string, "x");
  assert.equal(body.get('a"b')?.number, "2");
  assert.equal(body.get("")?.number, "3");
  assert.equal(body.get("é")?.number, "4");
  assert.deepEqual([...body.members().keys()], ["$dtId", "$dtIdx", 'a"b', "", "é"]);
});

Deno.test("JsonText keeps offsets where texts are not ASCII", () => {
  const body = JsonText.parse('{"näme": "Zimmer 😀 №1", "n": 1.50, "日本": ["é", {"ß": 2}]}');
  assert.equal(body.get("näme")?.string, "Zimmer 😀 №1");
  assert.equal(`${body.get("n")}`, "1.50");
  assert.equal(body.get("日本")?.items()[1]?.get("ß")?.number, "2");
});

Deno.test("JsonText refuses what is not JSON, and says where", () => {
  const cases: readonly (readonly [text: string, offset: number])[] = [
    ["", 0],
    ["  ", 2],
    ["{", 1],
    ["[", 1],
    ['{"a"', 4],
    ['{"a":', 5],
    ['{"a":1', 6],
    ['{"a":1,}', 7],
    ["{,}", 1],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["[1}", 2],
    ['{"a":1]', 6],
    ['{"a" 1}', 5],
    ["{a:1}", 1],
    ["{1:1}", 1],
    ['{"a":1} x', 8],
    ["1 2", 2],
    ["nul", 0],
    ["truth", 0],
    ["True", 0],
    ["NaN", 0],
    ["Infinity", 0],
    ["1.5::numeric", 3],
    ["01", 1],
    ["1.", 2],
    [".5", 0],
    ["-", 1],
    ["+1", 0],
    ["1e", 2],
    ["1e+", 3],
    ["0x1", 1],
    ['"a', 2],
    ['"a\nb"', 2],
    ['"a\u0000b"', 2],
    ['"\u001f"', 1],
    ['"\\x"', 2],
    ['"\\u12g4"', 5],
    ['"\\u12', 5],
    ['"\\', 2],
    ["'a'", 0],
    ["{}\u0000", 2],
    ["[é]", 1],
    ['{"é": é}', 6],
  ];
  for (const [text, offset] of cases) {
    assert.throws(() => JsonText.parse(text), (error: unknown) => {
      assert(error instanceof JsonTextError, `${error}`);
      assert.equal(error.offset, offset, JSON.stringify(text));
      return true;
    });
    assert.equal(JsonText.tryParse(text), undefined);
    assert.throws(() => JSON.parse(text));
  }
});

Deno.test("JsonText's errors do not tell values", () => {
  assert.throws(() => JsonText.parse('{"secret": hunter2}'), (error: unknown) => !/hunter2/.test(`${error}`));
});

Deno.test("JsonText compares numbers by value", () => {
  const equal: readonly (readonly [string, string])[] = [
    ["22", "22.0"],
    ["22", "2.2e1"],
    ["22", "220e-1"],
    ["0", "-0"],
    ["0", "-0.0e5"],
    ["0.10", "1E-1"],
    ["9007199254740993", "9007199254740993.000"],
    ["9007199254740993", "9.007199254740993e15"],
    ["1e400", "10e399"],
    ["1.0000000000000000000000000001", "1.00000000000000000000000000010"],
    ["123456789012345678901234567890", "1.2345678901234567890123456789e+29"],
  ];
  const unequal: readonly (readonly [string, string])[] = [
    ["22", "22.5"],
    ["1", "-1"],
    ["9007199254740993", "9007199254740992"],
    ["1e400", "1e401"],
    ["1e-400", "1e-401"],
    ["1e-400", "0"],
    ["1e400", "-1e400"],
    ["1.0000000000000000000000000001", "1.0000000000000000000000000002"],
    ["0.1", "0.1000000000000000055511151231257827"],
    ["10", "1"],
    ["100", "10"],
  ];
  for (const [a, b] of equal) assert(JsonText.parse(a).equals(JsonText.parse(b)), `${a} = ${b}`);
  for (const [a, b] of unequal) assert(!JsonText.parse(a).equals(JsonText.parse(b)), `${a} != ${b}`);
});

Deno.test("JsonText compares everything else by JSON value", () => {
  const equal: readonly (readonly [string, string])[] = [
    ['"é/"', '"\\u00e9\\/"'],
    ['{"a": 1, "b": [1, {"c": null}]}', '{"b":[1.0,{"c":null}],"a":1e0}'],
    ['{"\\u0061": 1}', '{"a": 1}'],
    ["[]", "[ ]"],
    ["{}", "{ }"],
  ];
  const unequal: readonly (readonly [string, string])[] = [
    ['"1"', "1"],
    ["true", "false"],
    ["null", "false"],
    ["[]", "{}"],
    ["[1, 2]", "[2, 1]"],
    ["[1]", "[1, 1]"],
    ["[1, 1]", "[1]"],
    ['{"a": 1}', '{"a": 1, "b": 2}'],
    ['{"a": 1, "b": 2}', '{"a": 1}'],
    ['{"a": 1}', '{"b": 1}'],
    ['"\\n"', '"n"'],
    ['"NaN"', '"Infinity"'],
  ];
  for (const [a, b] of equal) assert(JsonText.parse(a).equals(JsonText.parse(b)), `${a} = ${b}`);
  for (const [a, b] of unequal) assert(!JsonText.parse(a).equals(JsonText.parse(b)), `${a} != ${b}`);
});

/** Difference as `key: before → after`. */
function differences(before: string, after: string, alsoAlike?: readonly string[]): string[] {
  return JsonText.parse(after).differencesFrom(JsonText.parse(before), alsoAlike)
    .map(({ key, before, after }) => `${key}: ${before ?? "–"} → ${after ?? "–"}`);
}

Deno.test("JsonText tells which members differ, in the order of the new object, then what is gone", () => {
  assert.deepEqual(differences('{"a": 1, "b": 2, "c": 3}', '{"a": 1, "b": 2, "c": 3}'), []);
  assert.deepEqual(differences('{"a": 1, "b": 2, "c": 3}', '{"a": 1, "b": 4, "c": 5}'), [
    "b: 2 → 4",
    "c: 3 → 5",
  ]);
  assert.deepEqual(differences('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'), []);
  assert.deepEqual(differences('{"a": 1, "b": 2}', '{"b": 3, "a": 4}'), ["b: 2 → 3", "a: 1 → 4"]);
  assert.deepEqual(differences('{"b": 2, "d": 4}', '{"a": 1, "b": 2, "c": 3}'), [
    "a: – → 1",
    "c: – → 3",
    "d: 4 → –",
  ]);
  assert.deepEqual(differences('{"a": 1, "b": 2, "c": 3}', '{"a": 1}'), ["b: 2 → –", "c: 3 → –"]);
  assert.deepEqual(differences("{}", '{"a": 1}'), ["a: – → 1"]);
  assert.deepEqual(differences('{"a": 1}', "{}"), ["a: 1 → –"]);
  assert.deepEqual(differences('{"a": 2}', '{"a": 21}'), ["a: 2 → 21"]);
  assert.deepEqual(differences("[]", '{"a": 21}'), []);
});

Deno.test("JsonText tells of members that are asked for even when they are alike", () => {
  const before = '{"a": 1, "b": 2, "c": 3}';
  assert.deepEqual(differences(before, '{"a": 1, "b": 2, "c": 4}', ["b", "z"]), ["b: 2 → 2", "c: 3 → 4"]);
  assert.deepEqual(differences(before, '{"c": 3, "b": 2}', ["b"]), ["b: 2 → 2", "a: 1 → –"]);
});

Deno.test("JsonText tells what differs within members that are objects", () => {
  const [difference] = JsonText.parse('{"m": {"a": 1, "b": 3}}').differencesFrom(
    JsonText.parse('{"m": {"a": 1, "b": 2}}'),
  );
  assert.deepEqual(difference?.within.map(({ key }) => key), ["b"]);
  const [replaced] = JsonText.parse('{"m": 1}').differencesFrom(JsonText.parse('{"m": {"a": 1}}'));
  assert.deepEqual(replaced?.within, []);
});

Deno.test("JsonText reads and compares what is nested 10,000 levels deep", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const nested = (leaf: string) => open.repeat(10_000) + leaf + close.repeat(10_000);
    const deep = JsonText.parse(nested("1"));
    assert(deep.equals(JsonText.parse(nested("1"))));
    assert(!deep.equals(JsonText.parse(nested("2"))));
    assert.equal(JsonText.tryParse(nested("1").slice(0, -1)), undefined);
  }
});

Deno.test("JsonText reads texts of any length", () => {
  for (const length of [65_500, 65_530, 65_536, 70_000, 1_000_000]) {
    for (const character of ["x", "é"]) {
      const body = JsonText.parse(`{"blob": "${character.repeat(length)}", "n": 1}`);
      assert.equal(body.get("blob")?.string?.length, length);
      assert.equal(body.get("n")?.number, "1");
    }
  }
});
