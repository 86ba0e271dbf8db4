import assert from "node:assert/strict";
import { saslPrep } from "../../../src/postgres/connection/sasl_prep.ts";

Deno.test("prepares a password as RFC 4013 says", () => {
  const prepared: [string, string][] = [
    ["", ""],
    ["pencil", "pencil"],
    [" two words ", " two words "],
    ["I\u00adX", "IX"], // soft hyphen: mapped to nothing
    ["user", "user"],
    ["USER", "USER"],
    ["\u00aa", "a"], // feminine ordinal: NFKC
    ["\u2168", "IX"], // Roman nine: NFKC
    ["a\u00a0b\u3000c", "a b c"], // spaces that are not ASCII's
    ["e\u0301", "\u00e9"], // composed
    ["\u212b", "\u00e5".toUpperCase()],
    ["\u0627\u0031\u0628", "\u0627\u0031\u0628"], // right to left, at both ends
    ["\u{2f868}", "\u{36fc}"],
  ];
  for (const [password, expected] of prepared) {
    assert.equal(saslPrep(password), expected, JSON.stringify(password));
  }
});

Deno.test("leaves a password that may not be prepared as it is, as the server does", () => {
  const unprepared = [
    "e\u0301\u0007", // a control character
    "e\u0301\u007f",
    "\u0627\u0031e\u0301", // RFC 4013's example of mixed directions, and something that would change
    "\u0627\u0031\u2168",
    "e\u0301\ue000", // private use
    "e\u0301\ufffd",
    "e\u0301\u{1f600}", // an emoji: Unicode 3.2 had none
    "\u00ad", // nothing would be left
  ];
  for (const password of unprepared) assert.equal(saslPrep(password), password, JSON.stringify(password));
});
