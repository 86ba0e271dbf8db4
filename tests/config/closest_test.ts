import assert from "node:assert/strict";
import { closest } from "../../src/config/closest.ts";

const KEYS = ["url", "name", "password", "passwordFile", "eventSinks", "eventRoutes", "retry"];

const CASES: readonly [string, string | undefined][] = [
  ["ur", "url"],
  ["urll", "url"],
  ["rul", "url"],
  ["passwrod", "password"],
  ["PassWord", "password"],
  ["passwordfile", "passwordFile"],
  ["eventSink", "eventSinks"],
  ["events", undefined],
  ["retries", undefined],
  ["retrys", "retry"],
  ["x", undefined],
  ["", undefined],
  ["topic", undefined],
  ["u".repeat(10_000), undefined],
];

for (const [word, expected] of CASES) {
  Deno.test(`closest to '${word.slice(0, 20)}' is ${expected}`, () => {
    assert.equal(closest(word, KEYS), expected);
  });
}
