import assert from "node:assert/strict";
import { summary } from "../../demo/summary.ts";

const received = {
  types: new Map([
    ["Konnektr.DigitalTwins.Twin.Update", 120],
    ["Konnektr.DigitalTwins.Relationship.Create", 7],
    ["Konnektr.DigitalTwins.Router.Gap", 1],
  ]),
  events: 128,
  repeats: 0,
  latencies: Array.from({ length: 100 }, (_, index) => index + 1),
  lastSequence: "000000010000ABCD.0001.00",
};

Deno.test("sums a demo up: counts by type, latencies, and how far the WAL is confirmed", () => {
  assert.equal(
    summary({ seconds: 10.04, changes: 127, received, confirmedLsn: "1/ABD0" }).join("\n"),
    `  10.0 s: 127 changes written, 128 events delivered

  Twin.Create             0     Relationship.Create     7
  Twin.Update           120     Relationship.Update     0
  Twin.Delete             0     Relationship.Delete     0
  Router.Gap              1

  Commit to delivered   median 50.0 ms, p99 99.0 ms
  WAL confirmed         up to 1/ABD0, all that was delivered`,
  );
});

Deno.test("says when events came again, and when the last of them is not confirmed", () => {
  const lines = summary({
    seconds: 1,
    changes: 128,
    received: { ...received, repeats: 2 },
    confirmedLsn: "0/FFFFFFFF",
  });
  assert.match(lines[0] ?? "", /128 events delivered, 2 of them more than once$/);
  assert.match(lines.at(-1) ?? "", /up to 0\/FFFFFFFF, not yet all that was delivered$/);
});
