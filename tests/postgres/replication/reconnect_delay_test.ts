import assert from "node:assert/strict";
import { reconnectDelay } from "../../../src/postgres/replication/reconnect_delay.ts";

Deno.test("each wait is about twice as long as the one before, up to 10 s", () => {
  const longest = [1, 2, 3, 7, 8, 9, 1_000_000].map((failures) => reconnectDelay(failures, () => 0));
  assert.deepEqual(longest, [100, 200, 400, 6_400, 10_000, 10_000, 10_000]);
});

Deno.test("up to half of a wait is left out by chance", () => {
  assert.equal(reconnectDelay(4, () => 0.5), 600);
  assert.equal(reconnectDelay(4, () => 1), 400);
});
