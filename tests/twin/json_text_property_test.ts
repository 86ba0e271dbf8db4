import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { indexAlike } from "../../src/twin/json_alike.ts";
import { indexJson, NODE } from "../../src/twin/json_index.ts";
import { JsonText, type MemberDifference } from "../../src/twin/json_text.ts";

const seed = 20260101;

/** A JSON value without -0, which JSON.stringify does not keep. */
const json = fc.jsonValue({ stringUnit: "grapheme", maxDepth: 4 }).map((value) =>
  JSON.parse(JSON.stringify(value))
);

/** What `JSON.parse` would give, by way of `JsonText`. */
function valueOf(text: JsonText): unknown {
  switch (text.kind) {
    case "object":
      return Object.fromEntries([...text.members()].map(([key, value]) => [key, valueOf(value)]));
    case "array":
      return text.items().map(valueOf);
    case "string":
      return text.string;
    case "number":
      return Number(text.number);
    case "boolean":
      return text.boolean;
    case "null":
      return null;
    default:
      return text.kind satisfies never;
  }
}

/** The same value with other white space, other order of members and other notations. */
function rewritten(value: unknown, random: () => number): string {
  const space = () => [" ", "\n", "", "\t "][Math.floor(random() * 4)] ?? "";
  if (Array.isArray(value)) {
    return `[${space()}${
      value.map((item) => rewritten(item, random)).join(`${space()},${space()}`)
    }${space()}]`;
  }
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).sort(() => random() - 0.5).map(([key, member]) =>
      `${rewritten(key, random)}${space()}:${space()}${rewritten(member, random)}`
    );
    return `{${space()}${members.join(`,${space()}`)}${space()}}`;
  }
  if (typeof value === "string") {
    const characters = [...Array(value.length).keys()].map((at) => {
      const unit = value.charCodeAt(at);
      return random() < 0.2
        ? `\\u${unit.toString(16).padStart(4, "0")}`
        : JSON.stringify(value[at]).slice(1, -1);
    });
    return `"${characters.join("")}"`;
  }
  if (typeof value === "number" && random() < 0.5) return value.toExponential();
  return JSON.stringify(value);
}

function notations(value: unknown, randomSeed: number): string {
  let state = randomSeed;
  return rewritten(value, () => (state = (state * 16807 + 11) % 2147483647) / 2147483647);
}

Deno.test("JsonText has the values of JSON.parse", () => {
  fc.assert(
    fc.property(json, fc.nat(), (value, random) => {
      const text = notations(value, random);
      assert.deepEqual(valueOf(JsonText.parse(text)), JSON.parse(text));
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("JsonText takes what JSON.parse takes and refuses what it refuses", () => {
  const damage = fc.record({
    at: fc.nat(),
    put: fc.constantFrom("", '"', "{", "}", "[", "]", ",", ":", "\\", "e", ".", "0", "-", " ", "\n", "é"),
  });
  fc.assert(
    fc.property(json, fc.array(damage, { maxLength: 3 }), (value, damages) => {
      let text = JSON.stringify(value);
      for (const { at, put } of damages) {
        const place = at % (text.length + 1);
        text = text.slice(0, place) + put + text.slice(place + 1);
      }
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      assert.equal(JsonText.tryParse(text) !== undefined, isJson, text);
    }),
    { seed, numRuns: 3000 },
  );
});

Deno.test("JsonText finds values equal that are, and no others", () => {
  fc.assert(
    fc.property(json, json, fc.nat(), (a, b, random) => {
      const text = JsonText.parse(JSON.stringify(a));
      assert(text.equals(JsonText.parse(notations(a, random))));
      assert.equal(text.equals(JsonText.parse(JSON.stringify(b))), isDeepStrictEqual(a, b));
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("JsonText compares numbers as exact arithmetic does", () => {
  const digits = fc.stringMatching(/^[0-9]{1,25}$/);
  const number = fc.record({
    sign: fc.constantFrom("", "-"),
    whole: digits.map((text) => text.replace(/^0+(?=.)/, "")),
    fraction: fc.option(digits, { nil: "" }),
    exponent: fc.integer({ min: -30, max: 30 }),
  });
  // Every number below is a whole one after this many places.
  const places = 80n;
  const write = (
    { sign, whole, fraction, exponent }: { sign: string; whole: string; fraction: string; exponent: number },
  ) => ({
    text: `${sign}${whole}${fraction && `.${fraction}`}${exponent === 0 ? "" : `e${exponent}`}`,
    exact: BigInt(`${sign}${whole}${fraction}`) * 10n ** (places + BigInt(exponent - fraction.length)),
  });
  fc.assert(
    fc.property(number, number, fc.integer({ min: 0, max: 5 }), (first, second, shift) => {
      const a = write(first);
      const b = write(second);
      // The same number, its point moved.
      const c = write({ ...first, fraction: `${first.fraction}${"0".repeat(shift)}` });
      assert.equal(JsonText.parse(a.text).equals(JsonText.parse(b.text)), a.exact === b.exact);
      assert(JsonText.parse(a.text).equals(JsonText.parse(c.text)), `${a.text} ${c.text}`);
    }),
    { seed, numRuns: 1000 },
  );
});

Deno.test("JsonText tells exactly the members that differ", () => {
  const object = fc.dictionary(
    fc.constantFrom("a", "b", "c", "d", "é", 'q"', "long name"),
    fc.integer({ min: 0, max: 2 }),
    {
      noNullPrototype: true,
    },
  );
  fc.assert(
    fc.property(object, object, (before, after) => {
      const differences = JsonText.parse(JSON.stringify(after)).differencesFrom(
        JsonText.parse(JSON.stringify(before)),
      );
      const expected = [
        ...Object.keys(after).filter((key) => before[key] !== after[key]),
        ...Object.keys(before).filter((key) => !(key in after)),
      ];
      assert.deepEqual(differences.map(({ key }) => key), expected);
      for (const { key, before: was, after: is } of differences) {
        assert.equal(was && Number(was.number), before[key]);
        assert.equal(is && Number(is.number), after[key]);
      }
    }),
    { seed, numRuns: 1000 },
  );
});

const mostlyAscii = fc.oneof(
  { arbitrary: fc.jsonValue({ stringUnit: "grapheme-ascii", maxDepth: 3 }), weight: 9 },
  { arbitrary: json, weight: 1 },
);
const mostlyScalar = fc.oneof(
  { arbitrary: fc.jsonValue({ stringUnit: "grapheme-ascii", maxDepth: 0 }), weight: 9 },
  { arbitrary: json, weight: 1 },
);
const put = fc.record({ at: fc.nat(), value: mostlyScalar, isKeySpared: fc.boolean() });

/** A text, and another in which some scalars are others; sometimes a broken one. */
const likeTexts = fc.tuple(mostlyAscii, fc.array(put, { maxLength: 4 }), fc.nat()).map(
  ([value, puts, random]) => {
    const text = JSON.stringify(value);
    let like = text;
    for (const { at, value, isKeySpared } of puts) {
      const scalars = [...like.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/g)];
      const scalar = scalars[at % Math.max(scalars.length, 1)];
      if (!scalar) continue;
      const behind = scalar.index + scalar[0].length;
      const isKey = like[behind] === ":";
      if (isKey && isKeySpared) continue;
      like = like.slice(0, scalar.index) + JSON.stringify(isKey ? JSON.stringify(value) : value) +
        like.slice(behind);
    }
    if (random % 10 === 0) like = like.slice(0, random % (like.length + 1)) + '"';
    return [text, like] as const;
  },
);

Deno.test("a text is indexed by another like it as it is by itself", () => {
  let timesAlike = 0;
  fc.assert(
    fc.property(likeTexts, ([knownText, text]) => {
      const known = indexJson(knownText);
      assert(typeof known !== "number");
      const alike = indexAlike(text, knownText, known);
      if (!alike) return;
      timesAlike++;
      const index = indexJson(text);
      assert.deepEqual(alike.index, index);
      assert(typeof index !== "number");
      const sliceOf = (text: string, index: readonly number[], node: number) =>
        text.slice(index[node], index[node + 1]);
      const changed = [...index.keys()].filter((node) =>
        node % NODE === 0 && index[node + 2] === node + NODE &&
        sliceOf(text, index, node) !== sliceOf(knownText, known, node)
      );
      assert.deepEqual(alike.changed, changed);
    }),
    { seed, numRuns: 3000 },
  );
  assert(timesAlike > 1000, `${timesAlike} of 3000`);
});

Deno.test("a text read by another like it tells the same differences", () => {
  const written = (differences: readonly MemberDifference[]): unknown[] =>
    differences.map((difference) => [
      difference.key,
      `${difference.before}`,
      `${difference.after}`,
      written(difference.within),
    ]);
  fc.assert(
    fc.property(likeTexts, fc.array(fc.constantFrom("a", "b", "")), ([text, like], alsoAlike) => {
      const after = JsonText.parse(text);
      const before = JsonText.tryParse(like, after);
      assert.equal(before === undefined, JsonText.tryParse(like) === undefined);
      if (!before) return;
      assert.equal(`${before}`, `${JsonText.parse(like)}`);
      assert.equal(before.equals(after), JsonText.parse(like).equals(after));
      assert.deepEqual(
        written(after.differencesFrom(before, alsoAlike)),
        written(after.differencesFrom(JsonText.parse(like), alsoAlike)),
      );
    }),
    { seed, numRuns: 3000 },
  );
});
