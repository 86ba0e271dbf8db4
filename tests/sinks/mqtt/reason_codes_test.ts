import assert from "node:assert/strict";
import { type Refusal, verdictOf } from "../../../sinks/mqtt/reason_codes.ts";

const VERDICTS: [Refusal, Record<string, readonly number[]>][] = [
  ["connect", {
    fatal: [1, 2, 4, 5, 0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x90, 0x95, 0x99, 0x9a, 0x9b, 0x9d],
    retryable: [3, 0x80, 0x83, 0x88, 0x89, 0x97, 0x9c, 0x9f, 0x7f],
  }],
  ["publish", {
    fatal: [0x87, 0x90],
    retryable: [0x80, 0x83, 0x91, 0x97, 0xff],
    rejected: [0x95, 0x99],
  }],
  ["disconnect", {
    fatal: [0x87, 0x9d],
    retryable: [
      0x80,
      0x81,
      0x82,
      0x89,
      0x8b,
      0x8d,
      0x8e,
      0x93,
      0x94,
      0x95,
      0x96,
      0x97,
      0x98,
      0x9c,
      0x9f,
      0xa0,
    ],
  }],
];

for (const [refusal, kinds] of VERDICTS) {
  for (const [kind, codes] of Object.entries(kinds)) {
    Deno.test(`mqtt counts as ${kind} a ${refusal} refused with ${codes.map((code) => code.toString(16))}`, () => {
      for (const code of codes) assert.equal(verdictOf(code, refusal, true).kind, kind, code.toString(16));
    });
  }
}

Deno.test("mqtt lets only the event go that its own topic forbids", () => {
  for (const code of [0x87, 0x90]) {
    assert.equal(verdictOf(code, "publish", true).kind, "fatal");
    assert.equal(verdictOf(code, "publish", false).kind, "rejected");
  }
});

Deno.test("mqtt tells the name of a reason code, and the code", () => {
  assert.equal(verdictOf(0x97, "publish", true).name, "quota exceeded (0x97)");
  assert.equal(verdictOf(0xe0, "publish", true).name, "reason code 0xe0");
});
