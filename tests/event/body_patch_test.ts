import assert from "node:assert/strict";
import { bodyPatch } from "../../src/event/body_patch.ts";
import { JsonText } from "../../src/twin/json_text.ts";
import type { Entity } from "../../src/twin/twin_change.ts";

type Body = string | object;

interface PatchOptions {
  readonly entity?: Entity["entity"];
  readonly includeMetadata?: boolean;
}

/** The patch as its text, `undefined` if there is none; bodies are JSON text or objects. */
function patchText(
  before: Body | undefined,
  after: Body,
  { entity = "twin", includeMetadata = false }: PatchOptions = {},
) {
  const read = (body: Body) => JsonText.parse(typeof body === "string" ? body : JSON.stringify(body));
  return bodyPatch(entity, before === undefined ? undefined : read(before), read(after), includeMetadata);
}

/** The patch as a line for each operation: `replace /T 22.0`. */
function patch(before: Body | undefined, after: Body, options?: PatchOptions): string[] {
  const text = patchText(before, after, options);
  if (text === undefined) return [];
  return JsonText.parse(text).items().map((operation) => {
    const value = operation.get("value");
    return `${operation.get("op")?.string} ${operation.get("path")?.string}${value ? ` ${value}` : ""}`;
  });
}

Deno.test("a patch adds, replaces and removes members", () => {
  assert.equal(
    patchText(
      '{"$dtId": "a", "same": 1, "changed": 21.5, "gone": true}',
      '{"$dtId": "a", "same": 1, "changed": 22.0, "new": null}',
    ),
    '[{"op":"replace","path":"/changed","value":22.0},{"op":"add","path":"/new","value":null},' +
      '{"op":"remove","path":"/gone"}]',
  );
});

Deno.test("a patch that would be empty is none", () => {
  assert.equal(patchText({ a: 1 }, { a: 1 }), undefined);
  assert.equal(patchText({ a: 1, b: [1] }, '{"b":[1.0],"a":1e0}'), undefined);
  assert.equal(patchText({ $etag: "1" }, { $etag: "2" }), undefined);
  assert.equal(patchText(undefined, { $dtId: "a" }), undefined);
  assert.equal(patchText(undefined, {}), undefined);
});

Deno.test("objects are compared member by member, arrays are replaced whole", () => {
  assert.deepEqual(
    patch(
      '{"dims": {"h": 4.5, "w": 3.2, "in": {"x": 1, "y": 2}}, "list": [1, {"a": 1}], "same": [{"b": 2, "c": 3}]}',
      '{"dims": {"h": 4.75, "w": 3.20, "in": {"x": 1, "z": 3}}, "list": [1, {"a": 2}], "same": [{"c": 3.0, "b": 2}]}',
    ),
    ["replace /dims/h 4.75", "add /dims/in/z 3", "remove /dims/in/y", 'replace /list [1, {"a": 2}]'],
  );
});

Deno.test("values of another kind are replaced whole", () => {
  assert.deepEqual(
    patch('{"a": {"x": 1}, "b": 1, "c": "1", "d": [1]}', '{"a": 1, "b": {"x": 1}, "c": 1, "d": {"0": 1}}'),
    [
      "replace /a 1",
      'replace /b {"x": 1}',
      "replace /c 1",
      'replace /d {"0": 1}',
    ],
  );
});

Deno.test("numbers are compared by value and keep their digits", () => {
  assert.deepEqual(
    patch(
      '{"a": 22, "b": 22.0, "c": 9007199254740993, "d": 1.10, "e": 1}',
      '{"a": 2.2e1, "b": 22, "c": 9007199254740992, "d": 1.1, "e": 1.50}',
    ),
    ["replace /c 9007199254740992", "replace /e 1.50"],
  );
});

Deno.test("pointers are escaped", () => {
  assert.equal(
    patchText("{}", {
      "a/b~c": 1,
      "~1": { "/": 1 },
      'q"\\': 2,
      "key with space": 3,
      "é": 4,
      "": 5,
      "line\nbreak": 6,
    }),
    '[{"op":"add","path":"/a~1b~0c","value":1},{"op":"add","path":"/~01","value":{"/":1}},' +
      '{"op":"add","path":"/q\\"\\\\","value":2},{"op":"add","path":"/key with space","value":3},' +
      '{"op":"add","path":"/é","value":4},{"op":"add","path":"/","value":5},{"op":"add","path":"/line\\nbreak","value":6}]',
  );
  assert.deepEqual(patch({ "~1": { "/": 1 } }, { "~1": { "/": 2 } }), ["replace /~01/~1 2"]);
});

Deno.test("the new body's members come first, then removals, then $metadata", () => {
  assert.deepEqual(
    patch(
      { $metadata: { $model: "m;1" }, x: 1, c: { $metadata: {}, p: 1, q: 1 }, y: 1 },
      { $metadata: { $model: "m;2" }, b: 1, c: { $metadata: { r: { sourceTime: "s" } }, r: 1, p: 2 }, a: 1 },
    ),
    [
      "add /b 1",
      "add /c/r 1",
      "replace /c/p 2",
      "remove /c/q",
      "add /a 1",
      "remove /x",
      "remove /y",
      'add /c/$metadata/r {"sourceTime":"s"}',
      'replace /$metadata/$model "m;2"',
    ],
  );
});

Deno.test("$etag, $lastUpdateTime and what is under any $metadata are left out", () => {
  const body = (n: number) => ({
    $etag: `${n}`,
    $lastUpdateTime: `${n}`,
    $metadata: { $lastUpdateTime: `${n}`, P: { lastUpdatedBy: `${n}`, desiredValue: n }, ["new" + n]: {} },
    component: { $etag: `${n}`, $lastUpdateTime: `${n}`, $metadata: { $lastUpdateTime: `${n}`, x: n } },
  });
  assert.deepEqual(patch(body(1), body(2)), []);
});

Deno.test("a model's descendants are left out, a twin's property of that name is not", () => {
  const before = { id: "dtmi:m;1", bases: ["dtmi:b;1"], descendants: [] };
  const after = { id: "dtmi:m;1", bases: [], descendants: ["dtmi:c;1"] };
  assert.deepEqual(patch(before, after, { entity: "model" }), ["replace /bases []"]);
  assert.deepEqual(patch(before, after), ["replace /bases []", 'replace /descendants ["dtmi:c;1"]']);
  assert.deepEqual(patch(before, after, { entity: "model", includeMetadata: true }), [
    "replace /bases []",
    'replace /descendants ["dtmi:c;1"]',
  ]);
});

Deno.test("the twin's model is told of when it changes, appears or goes", () => {
  const withModel = ($model?: string) => ({
    $dtId: "a",
    $metadata: { P: { lastUpdateTime: "1" }, ...($model && { $model }) },
  });
  assert.deepEqual(patch(withModel("m;1"), withModel("m;2")), ['replace /$metadata/$model "m;2"']);
  assert.deepEqual(patch(withModel(), withModel("m;1")), ['add /$metadata/$model "m;1"']);
  assert.deepEqual(patch(withModel("m;1"), withModel()), ["remove /$metadata/$model"]);
  assert.deepEqual(patch(withModel("m;1"), { $dtId: "a" }), ["remove /$metadata/$model"]);
  assert.deepEqual(patch({ $dtId: "a" }, withModel("m;1")), ['add /$metadata {"$model":"m;1"}']);
});

Deno.test("a relationship's and a component's model are not", () => {
  const body = ($model: string) => ({ $metadata: { $model } });
  assert.deepEqual(patch(body("m;1"), body("m;2"), { entity: "relationship" }), []);
  assert.deepEqual(patch({ c: body("m;1") }, { c: body("m;2") }), []);
  assert.deepEqual(patch({}, { c: { x: 1, ...body("m;2") } }), ['add /c {"x":1}']);
});

Deno.test("a sourceTime that was set or moved is told of, with its nearest missing parent", () => {
  const at = (sourceTime?: string) => ({
    T: 1,
    $metadata: { $model: "m", T: { lastUpdateTime: "1", ...(sourceTime && { sourceTime }) } },
  });
  assert.deepEqual(patch(at(), at("s1")), ['add /$metadata/T/sourceTime "s1"']);
  assert.deepEqual(patch(at("s1"), at("s2")), ['replace /$metadata/T/sourceTime "s2"']);
  assert.deepEqual(patch(at("s1"), at("s1")), []);
  assert.deepEqual(patch(at("s1"), at()), [], "one that went is neither set nor moved");
  assert.deepEqual(patch({ T: 1, $metadata: { $model: "m" } }, at("s1")), [
    'add /$metadata/T {"sourceTime":"s1"}',
  ]);
  assert.deepEqual(patch({ T: 1 }, at("s1")), ['add /$metadata {"$model":"m","T":{"sourceTime":"s1"}}']);
  assert.deepEqual(patch({ T: 1, $metadata: 5 }, at("s1")), [
    'add /$metadata {"$model":"m","T":{"sourceTime":"s1"}}',
  ]);
});

Deno.test("a sourceTime in a component's own metadata is told of, too", () => {
  const at = (sourceTime?: string) => ({
    c: { P: 1, $metadata: { P: { ...(sourceTime && { sourceTime }) } } },
  });
  assert.deepEqual(patch(at(), at("s1")), ['add /c/$metadata/P/sourceTime "s1"']);
  assert.deepEqual(patch(at("s1"), at("s2")), ['replace /c/$metadata/P/sourceTime "s2"']);
  assert.deepEqual(patch({ c: { P: 1 } }, at("s1")), ['add /c/$metadata {"P":{"sourceTime":"s1"}}']);
  assert.deepEqual(patch({}, at("s1")), ['add /c {"P":1}', 'add /c/$metadata {"P":{"sourceTime":"s1"}}']);
  assert.deepEqual(patch({ c: 1 }, at("s1")), [
    'replace /c {"P":1}',
    'add /c/$metadata {"P":{"sourceTime":"s1"}}',
  ]);
});

Deno.test("a property that is called sourceTime is not mistaken for one", () => {
  const at = (time: string) => ({
    sourceTime: "x",
    $metadata: { sourceTime: { lastUpdateTime: "1", sourceTime: time } },
  });
  assert.deepEqual(patch(at("s1"), at("s2")), ['replace /$metadata/sourceTime/sourceTime "s2"']);
});

const time = (minute: number) => `2026-01-01T12:0${minute}:00.0000000Z`;

Deno.test("a property written again with the same value is replaced by it", () => {
  const at = (minute: number, T: number | string = 22) => ({
    $dtId: "a",
    T,
    $metadata: { T: { lastUpdateTime: time(minute) } },
  });
  assert.deepEqual(patch(at(1), at(2)), ["replace /T 22"]);
  assert.deepEqual(patch(JSON.stringify(at(1)).replace("22", "22.0"), at(2)), ["replace /T 22"]);
  assert.deepEqual(patch(at(1), at(1)), []);
  assert.deepEqual(patch(at(1), at(2, 23)), ["replace /T 23"], "once, whatever the reason");
});

Deno.test("a property written again stands in the order of the new body", () => {
  const at = (minute: number, b: number) => ({
    a: 1,
    b,
    c: [1],
    $metadata: { c: { lastUpdateTime: time(minute) }, a: { lastUpdateTime: time(minute) } },
  });
  assert.deepEqual(patch(at(1, 1), at(2, 2)), ["replace /a 1", "replace /b 2", "replace /c [1]"]);
});

Deno.test("a time that was not there before has not moved, and one without a property says nothing", () => {
  assert.deepEqual(
    patch({ T: 1, $metadata: {} }, { T: 1, $metadata: { T: { lastUpdateTime: time(1) } } }),
    [],
  );
  assert.deepEqual(patch({ T: 1 }, { T: 1, $metadata: { T: { lastUpdateTime: time(1) } } }), []);
  assert.deepEqual(
    patch({ T: 1, $metadata: { T: {} } }, { T: 1, $metadata: { T: { lastUpdateTime: time(1) } } }),
    [],
  );
  const at = (minute: number) => ({
    $metadata: { T: { lastUpdateTime: time(minute) }, $lastUpdateTime: time(minute) },
  });
  assert.deepEqual(patch(at(1), at(2)), []);
});

Deno.test("a property written again with another sourceTime says both", () => {
  const at = (minute: number) => ({
    T: 1,
    $metadata: { T: { lastUpdateTime: time(minute), sourceTime: time(minute) } },
  });
  assert.deepEqual(patch(at(1), at(2)), ["replace /T 1", `replace /$metadata/T/sourceTime "${time(2)}"`]);
});

Deno.test("a component written again counts as one property, without its metadata", () => {
  const at = (minute: number, Setpoint = 21) => ({
    thermostat: { Mode: "auto", Setpoint, $metadata: { $lastUpdateTime: time(minute) } },
    $metadata: { thermostat: { lastUpdateTime: time(minute) } },
  });
  assert.deepEqual(patch(at(1), at(2)), ['replace /thermostat {"Mode":"auto","Setpoint":21}']);
  assert.deepEqual(patch(at(1), at(2, 22)), ["replace /thermostat/Setpoint 22"]);
});

Deno.test("a component's own metadata may say that it was written again", () => {
  const at = (minute: number, Setpoint = 21) => ({
    thermostat: {
      Mode: "auto",
      Setpoint,
      $metadata: { Setpoint: { lastUpdateTime: time(minute) }, Mode: { lastUpdateTime: time(minute) } },
    },
  });
  assert.deepEqual(patch(at(1), at(2)), ['replace /thermostat {"Mode":"auto","Setpoint":21}']);
  assert.deepEqual(patch(at(1), at(2, 22)), ["replace /thermostat/Setpoint 22"]);
});

Deno.test("a component written again whose sourceTime moved gets it back", () => {
  const at = (minute: number) => ({
    c: {
      P: 1,
      Q: 1,
      $metadata: {
        P: { lastUpdateTime: time(minute), sourceTime: time(minute) },
        Q: { sourceTime: time(0) },
      },
    },
  });
  assert.deepEqual(patch(at(1), at(2)), [
    'replace /c {"P":1,"Q":1}',
    `add /c/$metadata {"P":{"sourceTime":"${time(2)}"}}`,
  ]);
});

Deno.test("relationships and models have no such times", () => {
  const at = (minute: number) => ({ T: 1, $metadata: { T: { lastUpdateTime: time(minute) } } });
  assert.deepEqual(patch(at(1), at(2), { entity: "relationship" }), []);
  assert.deepEqual(patch(at(1), at(2), { entity: "model" }), []);
});

Deno.test("without an old body each property is added, without metadata", () => {
  const body = {
    $dtId: "a",
    $etag: "1",
    $metadata: { $model: "m", T: { sourceTime: "s" } },
    T: 22.5,
    c: { $metadata: {}, $etag: "2", P: { $metadata: { x: 1 }, Q: 1 } },
    list: [{ $metadata: "as it is" }],
  };
  assert.deepEqual(patch(undefined, body), [
    "add /T 22.5",
    'add /c {"P":{"Q":1}}',
    'add /list [{"$metadata":"as it is"}]',
  ]);
  assert.deepEqual(patch(undefined, { id: "dtmi:m;1", model: {}, descendants: [] }, { entity: "model" }), [
    'add /id "dtmi:m;1"',
    "add /model {}",
  ]);
});

Deno.test("includeMetadata keeps all but $etag", () => {
  const options = { includeMetadata: true };
  const body = (n: number) => ({
    $etag: `${n}`,
    $lastUpdateTime: n,
    $metadata: { $model: `m;${n}`, $etag: n, P: { lastUpdateTime: n } },
    P: 1,
    c: { Q: n, $etag: `${n}`, $metadata: { $lastUpdateTime: n } },
    x: n,
  });
  assert.deepEqual(patch(body(1), body(2), options), [
    "replace /$lastUpdateTime 2",
    "replace /P 1",
    "replace /c/Q 2",
    "replace /x 2",
    "replace /c/$metadata/$lastUpdateTime 2",
    'replace /$metadata/$model "m;2"',
    "replace /$metadata/P/lastUpdateTime 2",
  ]);
  assert.deepEqual(patch({}, { c: { Q: 1, $etag: "1", $metadata: { x: 1 } } }, options), [
    'add /c {"Q":1,"$metadata":{"x":1}}',
  ]);
  assert.deepEqual(patch({ c: { Q: 1, $metadata: { x: 1 } } }, { c: { Q: 1 } }, options), [
    "remove /c/$metadata",
  ]);
  assert.deepEqual(patch({ $metadata: { x: 1 } }, {}, options), ["remove /$metadata"]);
  assert.deepEqual(patch(undefined, body(1), options), [
    "add /P 1",
    'add /c {"Q":1,"$metadata":{"$lastUpdateTime":1}}',
    "add /x 1",
    "add /$lastUpdateTime 1",
    'add /$metadata {"$model":"m;1","P":{"lastUpdateTime":1}}',
  ]);
});

Deno.test("includeMetadata replaces a component that was written again with its metadata", () => {
  const at = (minute: number) => ({
    c: { P: 1, $metadata: { $lastUpdateTime: minute } },
    $metadata: { c: { lastUpdateTime: minute } },
  });
  assert.deepEqual(patch(at(1), at(2), { includeMetadata: true }), [
    'replace /c {"P":1,"$metadata":{"$lastUpdateTime":2}}',
    "replace /$metadata/c/lastUpdateTime 2",
  ]);
});

Deno.test("bodies of any depth are patched", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"], ['{"$metadata":', "}"]] as const) {
    const nested = (leaf: number) => `{"deep": ${open.repeat(10_000)}${leaf}${close.repeat(10_000)}}`;
    for (const includeMetadata of [false, true]) {
      assert.equal(patchText(nested(1), nested(1), { includeMetadata }), undefined);
      const text = patchText(nested(1), nested(2), { includeMetadata });
      if (text !== undefined) JsonText.parse(text);
      else assert(open.includes("$metadata") && !includeMetadata);
      patchText("{}", nested(1), { includeMetadata });
      patchText(undefined, nested(1), { includeMetadata });
    }
  }
});
