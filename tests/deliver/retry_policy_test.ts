import assert from "node:assert/strict";
import { backoff, judge } from "../../src/deliver/retry_policy.ts";

const RETRY = { initial: 200, max: 30_000, maxAttempts: 3 };
const longest = () => 1;

Deno.test("the ceiling of a backoff doubles from the initial wait to the greatest", () => {
  const ceilings = [1, 2, 3, 8, 9, 100, 1e9].map((failures) => backoff(RETRY, failures, longest));
  assert.deepEqual(ceilings, [200, 400, 800, 25_600, 30_000, 30_000, 30_000]);
});

Deno.test("a backoff is anything up to its ceiling, so that clients spread", () => {
  assert.equal(backoff(RETRY, 3, () => 0), 0);
  assert.equal(backoff(RETRY, 3, () => 0.25), 200);
});

Deno.test("a backoff is no shorter than the far end asked for, and no longer than the greatest", () => {
  assert.equal(backoff(RETRY, 1, () => 0, 5000), 5000);
  assert.equal(backoff(RETRY, 1, longest, 100), 200);
  assert.equal(backoff(RETRY, 1, longest, 3_600_000), 30_000);
});

Deno.test("no wait at all is a possible setting", () => {
  assert.equal(backoff({ initial: 0, max: 0, maxAttempts: 1 }, 2000, longest), 0);
});

Deno.test("each kind of error has its consequence", () => {
  assert.equal(judge("retryable", 0, RETRY), "retry");
  assert.equal(judge("retryable", 2, RETRY), "retry");
  assert.equal(judge("retryable", 3, RETRY), "deadLetter");
  assert.equal(judge("rejected", 0, RETRY), "deadLetter");
  assert.equal(judge("fatal", 100, RETRY), "sinkDown");
});
