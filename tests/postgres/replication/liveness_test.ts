import assert from "node:assert/strict";
import { judgeLiveness, livenessTimings } from "../../../src/postgres/replication/liveness.ts";

Deno.test("status updates go out three times in wal_sender_timeout, and at least every 5 s", () => {
  const intervals = [0, 1_000, 3_000, 15_000, 60_000, 100].map((timeout) =>
    livenessTimings(timeout, 0).statusInterval
  );
  assert.deepEqual(intervals, [5_000, 333, 1_000, 5_000, 5_000, 100]);
});

Deno.test("a silent server is unhealthy within 12 s, and given up later, more and more patiently", () => {
  for (const timeout of [0, 1_000, 5_000, 60_000, 3_600_000]) {
    assert(livenessTimings(timeout, 0).silentAfter <= 12_000);
  }
  const patience = [0, 1, 2, 10].map((silences) => livenessTimings(60_000, silences).lostAfter);
  assert.deepEqual(patience, [30_000, 60_000, 120_000, 600_000]);
});

Deno.test("silence counts only while somebody reads", () => {
  const timings = { statusInterval: 5, silentAfter: 10, lostAfter: 30 };
  const judge = (heardAt: number, readingSince: number | undefined, now: number) =>
    judgeLiveness({ heardAt, readingSince }, timings, now);
  assert.equal(judge(0, 0, 9), "alive");
  assert.equal(judge(0, 0, 10), "silent");
  assert.equal(judge(0, 0, 29), "silent");
  assert.equal(judge(0, 0, 30), "lost");
  // Nobody reads: nothing can be heard.
  assert.equal(judge(0, undefined, 9), "alive");
  assert.equal(judge(0, undefined, 1_000), "not reading");
  // Somebody reads again: the time before does not count.
  assert.equal(judge(0, 995, 1_000), "alive");
  assert.equal(judge(0, 990, 1_000), "silent");
});
