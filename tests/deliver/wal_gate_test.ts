import assert from "node:assert/strict";
import fc from "fast-check";
import { WalGate } from "../../src/deliver/wal_gate.ts";

Deno.test("a position is confirmed once the stream has come past all that it relies on, and none is kept for ever", () => {
  const step = fc.record({ kind: fc.constantFrom("stored", "settled", "passed"), by: fc.bigInt(0n, 20n) });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const gate = new WalGate();
    /** What each position that was settled relies on. */
    const needs = new Map<bigint, bigint>();
    let [stored, settled, passed] = [-1n, 0n, 0n];
    gate.passed(passed);
    for (const { kind, by } of steps) {
      const before = gate.confirmable ?? -1n;
      switch (kind) {
        case "stored":
          gate.stored(passed + by);
          if (passed + by > stored) stored = passed + by;
          break;
        case "settled":
          settled = settled + by < passed ? settled + by : passed;
          gate.settled(settled);
          if (!needs.has(settled)) needs.set(settled, stored);
          break;
        default:
          passed += by;
          gate.passed(passed);
      }
      const { confirmable = -1n } = gate;
      assert(confirmable >= before, "never back");
      assert((needs.get(confirmable) ?? -1n) <= passed, `${confirmable} at ${passed}`);
      if (needs.size > 0 && stored <= passed) assert.equal(confirmable, settled, "all that is settled");
    }
  }));
});

Deno.test("a position moves on while more is stored all the time", () => {
  const gate = new WalGate();
  for (let now = 10n; now < 1_000n; now += 10n) {
    gate.passed(now);
    gate.stored(now + 35n); // what the stream tells after this
    gate.settled(now);
    if (now > 100n) assert((gate.confirmable ?? 0n) >= now - 80n, `${gate.confirmable} at ${now}`);
  }
});
