import assert from "node:assert/strict";
import { z } from "zod";
import { isSecret, schemasAt } from "../../src/config/schema_at.ts";
import {
  byteSize,
  choice,
  duration,
  flag,
  integer,
  path,
  port,
  secret,
  text,
  url,
} from "../../src/config/values.ts";

/** Each written value, and what it means. */
const MEANINGS: readonly [string, z.ZodType, unknown, unknown][] = [
  ["duration", duration(), "200ms", 200],
  ["duration", duration(), "10s", 10_000],
  ["duration", duration(), "5m", 300_000],
  ["duration", duration(), "1h", 3_600_000],
  ["duration", duration(), "1h30m", 5_400_000],
  ["duration", duration(), "1.5s", 1_500],
  ["duration", duration(), "0s", 0],
  ["duration", duration(), "7d", 604_800_000],
  ["byteSize", byteSize(), "64KiB", 65_536],
  ["byteSize", byteSize(), "10MB", 10_000_000],
  ["byteSize", byteSize(), "10 MiB", 10_485_760],
  ["byteSize", byteSize(), "1.5gib", 1_610_612_736],
  ["byteSize", byteSize(), "512B", 512],
  ["byteSize", byteSize(), "512", 512],
  ["byteSize", byteSize(), 512, 512],
  ["integer", integer(), 5, 5],
  ["integer", integer(), "5", 5],
  ["integer", integer(), "-5", -5],
  ["port", port(), 65535, 65535],
  ["port", port(), "8080", 8080],
  ["port, any", port({ any: true }), 0, 0],
  ["flag", flag(), true, true],
  ["flag", flag(), "false", false],
  ["flag", flag(), "TRUE", true],
  ["choice", choice(["a", "b"]), "b", "b"],
  ["text", text(), "x", "x"],
  ["text", text(), "${literal}", "${literal}"],
  ["path", path(), "./a b", "./a b"],
  ["secret", secret(), "s3cret", "s3cret"],
  ["url", url(), "https://example.com/events?x=1", "https://example.com/events?x=1"],
  ["url", url(["mqtts:"]), "mqtts://broker", "mqtts://broker"],
];

/** Values that are refused, and with what message. */
const REFUSALS: readonly [string, z.ZodType, unknown, RegExp][] = [
  ["duration without unit", duration(), 10, /^expected a duration such as 200ms, 10s, 5m or 1h$/],
  ["duration without unit", duration(), "10", /^expected a duration/],
  ["duration, negative", duration(), "-1s", /^expected a duration/],
  ["duration, words", duration(), "10 seconds", /^expected a duration/],
  ["duration, too short", duration({ min: 1 }), "0ms", /of at least 1ms$/],
  ["duration, longer than a timer can wait", duration(), "25d", /^expected at most 24d$/],
  ["duration, digits without end", duration(), `${"9".repeat(400)}s`, /^expected at most 24d$/],
  ["byteSize, unknown unit", byteSize(), "10 XB", /^expected a size/],
  ["byteSize, negative", byteSize(), -1, /^expected a size/],
  ["byteSize, not exact", byteSize(), "9007199254740993", /^expected a size/],
  ["integer, fraction", integer(), 1.5, /^expected a whole number$/],
  ["integer, exponent", integer(), "1e3", /^expected a whole number$/],
  ["integer, hexadecimal text", integer(), "0x10", /^expected a whole number$/],
  ["integer, empty", integer(), "", /^expected a whole number$/],
  ["integer, out of range", integer({ min: 1, max: 9 }), 10, /^expected a whole number from 1 to 9$/],
  ["integer, not exact", integer(), 2 ** 53, /^expected a whole number$/],
  ["integer, infinite", integer(), Infinity, /^expected a whole number$/],
  ["port 0", port(), 0, /^expected a port from 1 to 65535$/],
  ["port, too high", port(), "65536", /^expected a port/],
  ["flag, of YAML 1.1", flag(), "yes", /^expected true or false$/],
  ["flag, number", flag(), 1, /^expected true or false$/],
  ["choice, misspelt", choice(["disable", "require"]), "requier", /did you mean require\?$/],
  ["choice, other case", choice(["disable", "require"]), "Require", /did you mean require\?$/],
  ["choice, far off", choice(["disable", "require"]), "on", /^expected one of disable, require$/],
  ["text, empty", text(), "", /^is empty$/],
  ["text, number", text(), 5, /^expected text; put it in quotes/],
  ["text, too long", text({ maxLength: 3 }), "abcd", /^is longer than 3 characters$/],
  ["text, pattern", text({ pattern: /^a$/, expected: "an a" }), "b", /^expected an a$/],
  ["secret, empty", secret(), "", /^is empty$/],
  ["secret, number", secret(), 12345, /^expected text; put it in quotes$/],
  ["url, other protocol", url(), "ftp://x", /^expected a URL that begins with https:\/\/ or http:\/\/$/],
  ["url, relative", url(), "/events", /^expected a URL/],
  ["url, broken", url(), "https://", /^expected a URL/],
];

for (const [name, schema, written, meant] of MEANINGS) {
  Deno.test(`${name} reads ${JSON.stringify(written)}`, () => {
    assert.deepEqual(schema.parse(written), meant);
  });
}

for (const [name, schema, written, message] of REFUSALS) {
  Deno.test(`refuses ${name}: ${JSON.stringify(written).slice(0, 40)}`, () => {
    const { error } = schema.safeParse(written);
    assert.equal(error?.issues.length, 1);
    assert.match(error.issues[0]?.message ?? "", message);
  });
}

Deno.test("a secret stays one whatever is chained on it", () => {
  const schema = z.strictObject({
    plain: text(),
    described: secret().describe("x"),
    optional: secret().exactOptional(),
    refined: secret().refine((value) => value.length > 3).prefault("abcd"),
    list: z.array(secret()),
    byName: z.record(z.string(), secret()),
    either: z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("a"), key: secret() }),
      z.strictObject({ type: z.literal("b"), name: text() }),
    ]).exactOptional(),
  });
  const secretAt = (...path: (string | number)[]) => isSecret(schemasAt(schema, path));
  assert.equal(secretAt("plain"), false);
  assert.equal(secretAt("described"), true);
  assert.equal(secretAt("optional"), true);
  assert.equal(secretAt("refined"), true);
  assert.equal(secretAt("list", 3), true);
  assert.equal(secretAt("byName", "Authorization"), true);
  assert.equal(secretAt("either", "key"), true);
  assert.equal(secretAt("either", "name"), false);
  assert.equal(secretAt("constructor"), false);
});
