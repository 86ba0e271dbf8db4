import assert from "node:assert/strict";
import { Histogram } from "../../bench/outage/histogram.ts";
import { quantile } from "../../bench/report.ts";
import { SeededRandom } from "../support/seeded_random.ts";

Deno.test("a quantile is at most 2% above the exact one", () => {
  const random = new SeededRandom(20_261_126);
  const values = Array.from({ length: 20_000 }, () => 1.0005 ** random.below(30_000));
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
    const exact = quantile(values, share);
    const ratio = histogram.quantile(share) / exact;
    assert(ratio > 0.99 && ratio < 1.03, `${ratio} times the quantile ${share} of ${exact}`);
  }
  assert.equal(histogram.count, values.length);
  assert.equal(histogram.max, Math.max(...values));
});

Deno.test("no quantile is more than the maximum, and what is shortest counts as well", () => {
  const histogram = new Histogram();
  assert.deepEqual([histogram.quantile(0.5), histogram.max], [NaN, 0]);
  histogram.record(0);
  histogram.record(-1); // the clocks of two processors
  histogram.record(7);
  assert.deepEqual([histogram.quantile(0.5), histogram.quantile(1), histogram.max], [0.1, 7, 7]);
});
