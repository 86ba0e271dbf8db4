import assert from "node:assert/strict";
import { agtype, float, numeric } from "../../demo/agtype.ts";

Deno.test("prints maps as AGE does: shorter keys first, then by their bytes", () => {
  const map = { Temperature: 21.5, b: 1, $dtId: "room-a", "é": 2, a: 3, $etag: 'W/"1"', none: undefined };
  assert.equal(
    agtype(map),
    String.raw`{"a": 3, "b": 1, "é": 2, "$dtId": "room-a", "$etag": "W/\"1\"", "Temperature": 21.5}`,
  );
});

Deno.test("prints the values of the recorded row of odd ones digit for digit", () => {
  const odd = {
    no: false,
    arr: [1, 2.5, "x", null, true, { a: numeric("1.5") }],
    big: 9007199254740993n,
    inf: Infinity,
    nan: NaN,
    neg: -0,
    huge: 1e300,
    name: 'café \n "q" \\ \u0001 😀',
    ninf: -Infinity,
    tiny: 5e-324,
    exact: float(22),
    emptyMap: {},
  };
  assert.equal(
    agtype(odd),
    `{"no": false, "arr": [1, 2.5, "x", null, true, {"a": 1.5::numeric}], "big": 9007199254740993, "inf": Infinity, ` +
      String
        .raw`"nan": NaN, "neg": -0.0, "huge": 1e+300, "name": "café \n \"q\" \\ \u0001 😀", "ninf": -Infinity, ` +
      `"tiny": 5e-324, "exact": 22.0, "emptyMap": {}}`,
  );
});

Deno.test("writes floats as PostgreSQL does where JavaScript would not", () => {
  const printed = [1e14, 1e15, 123456789012345680, 1e21, 0.0001, 0.00001, 1.5e-7, -2e-6].map((value) =>
    agtype(float(value))
  );
  assert.deepEqual(printed, [
    "100000000000000.0",
    "1e+15",
    "1.2345678901234568e+17",
    "1e+21",
    "0.0001",
    "1e-05",
    "1.5e-07",
    "-2e-06",
  ]);
});
