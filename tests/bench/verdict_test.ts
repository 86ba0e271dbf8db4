import assert from "node:assert/strict";
import type { Costs } from "../../bench/outage/router_watch.ts";
import { type Delivered, judge, type Phase } from "../../bench/outage/verdict.ts";

const MB = 2 ** 20;
const COSTS: Costs = {
  seconds: 60,
  maxLag: 3 * MB,
  maxRetained: 90 * MB,
  maxParkedEvents: 0,
  maxParkedBytes: 0,
  maxResident: 150 * MB,
  resident: [100, 140, 150, 150, 150, 152].map((megabytes) => megabytes * MB),
  processors: 0.5,
  wal: 0,
};
const GOT: Delivered = { sink: "Hook", arrived: 9, repeats: 1, outOfOrder: 0, lost: 0 };

function phase(name: string, p99: number, costs: Partial<Costs> = {}): Phase {
  const latencies = new Map([["Hook", { p50: 1, p99, max: 100, parts: [p99] }]]);
  return { name, changesPerSecond: 1_999, costs: { ...COSTS, ...costs }, latencies };
}

function broken(phases: readonly Phase[], delivered = GOT, isDrained = true): string[] {
  return judge(phases, [delivered], 2_000, isDrained).filter(({ holds }) => !holds).map(({ claim }) => claim);
}

Deno.test("the claim holds in every part when nothing is amiss", () => {
  assert.deepEqual(broken([phase("before", 5), phase("down", 6), phase("after", 4)]), []);
});

Deno.test("each part of the claim is broken by what speaks against it", () => {
  const [before, after] = [phase("before", 4), phase("after", 6)];
  assert.deepEqual(broken([before, phase("down", 8), after]), ["p99 of Hook is unaffected"]);
  assert.deepEqual(
    broken([before, phase("down", NaN), after]),
    ["p99 of Hook is unaffected"],
    "nothing came at all",
  );
  assert.deepEqual(broken([before, phase("down", 8), phase("after", 20)]), ["p99 of Hook is unaffected"]);
  const lagging = phase("return", 5, { maxLag: 64 * MB });
  assert.deepEqual(broken([before, phase("down", 5), lagging, after]), ["the slot's lag stays under 64 MB"]);
  const growing = { resident: [100, 100, 100, 100, 115, 116].map((megabytes) => megabytes * MB) };
  assert.deepEqual(broken([before, phase("down", 5, growing), after]), ["memory is flat while it is down"]);
  const slow = { ...phase("down", 5), changesPerSecond: 1_900 };
  assert.deepEqual(broken([before, slow, after]), ["2000 changes a second"]);
  assert.deepEqual(broken([before, phase("down", 5), after], GOT, false), [
    "all is drained while more comes",
  ]);
  for (const fault of [{ lost: 1 }, { outOfOrder: 1 }]) {
    assert.deepEqual(broken([before, phase("down", 5), after], { ...GOT, ...fault }), [
      "Hook has everything, in order",
    ]);
  }
});
