import assert from "node:assert/strict";
import fc from "fast-check";
import { Checkpoint, type UnsettledEvent } from "../../src/deliver/checkpoint.ts";
import { routerEvent } from "../support/router_events.ts";

Deno.test("a mark with nothing before it is confirmable at once", () => {
  const checkpoint = new Checkpoint();
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.mark(10n);
  assert.equal(checkpoint.confirmable, 10n);
  checkpoint.mark(20n);
  assert.equal(checkpoint.confirmable, 20n);
});

Deno.test("a mark waits for every event before it, whatever the order in which they are settled", () => {
  const checkpoint = new Checkpoint();
  const [first, second, third] = [1, 2, 3].map((n) => checkpoint.add(routerEvent("a", n), 1));
  assert(first && second && third);
  checkpoint.mark(10n);
  checkpoint.settle(third);
  checkpoint.settle(first);
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.settle(second);
  assert.equal(checkpoint.confirmable, 10n);
});

Deno.test("an event is settled only once all its sinks have settled it", () => {
  const checkpoint = new Checkpoint();
  const event = checkpoint.add(routerEvent("a", 1), 2);
  checkpoint.mark(10n);
  checkpoint.settle(event);
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.settle(event);
  assert.equal(checkpoint.confirmable, 10n);
});

Deno.test("an older mark than before, as after a reconnect, changes nothing", () => {
  const checkpoint = new Checkpoint();
  checkpoint.mark(20n);
  const event = checkpoint.add(routerEvent("a", 1), 1);
  checkpoint.mark(10n);
  checkpoint.settle(event);
  assert.equal(checkpoint.confirmable, 20n);
});

Deno.test("forgotten marks are never confirmed, and lower ones count from then on", () => {
  const checkpoint = new Checkpoint();
  checkpoint.mark(5n);
  const [first, second, third] = [1, 2, 3].map((n) => {
    const event = checkpoint.add(routerEvent("a", n), 1);
    checkpoint.mark(BigInt(n * 10));
    return event;
  });
  assert(first && second && third);
  checkpoint.forgetMarks();
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.settle(first);
  checkpoint.settle(second);
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.mark(3n);
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.settle(third);
  assert.equal(checkpoint.confirmable, 3n);
});

Deno.test("tells the oldest event that is not settled", () => {
  const checkpoint = new Checkpoint();
  const first = checkpoint.add(routerEvent("a", 1), 1);
  const second = checkpoint.add(routerEvent("a", 2), 1);
  assert.equal(checkpoint.oldest?.event.id, "a-1");
  checkpoint.settle(first);
  assert.equal(checkpoint.oldest?.event.id, "a-2");
  checkpoint.settle(second);
  assert.equal(checkpoint.oldest, undefined);
});

Deno.test("memory does not grow with marks and settled events while one event is stuck", () => {
  const checkpoint = new Checkpoint();
  const stuck = checkpoint.add(routerEvent("a", 0), 1);
  const event = routerEvent("b", 1);
  const before = heapUsed();
  for (let n = 1n; n <= 10_000_000n; n++) checkpoint.mark(n);
  for (let n = 10_000_001n; n <= 10_300_000n; n++) {
    const settled = checkpoint.add(event, 1);
    checkpoint.mark(n);
    checkpoint.settle(settled);
  }
  const grown = heapUsed() - before;
  assert(grown < 50_000_000, `the heap grew by ${grown} bytes`);
  assert.equal(checkpoint.confirmable, undefined);
  checkpoint.settle(stuck);
  assert.equal(checkpoint.confirmable, 10_300_000n);
});

Deno.test("agrees with a plain reference at every step", () => {
  const step = fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record({ kind: fc.constant("add" as const), sinks: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 15, arbitrary: fc.record({ kind: fc.constant("settle" as const), which: fc.nat(20) }) },
    {
      weight: 9,
      arbitrary: fc.record({ kind: fc.constant("mark" as const), by: fc.integer({ min: -2, max: 5 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const checkpoint = new Checkpoint();
      const reference = new Reference();
      const open: { event: UnsettledEvent; index: number }[] = [];
      let lsn = 100n;
      for (const step of steps) {
        if (step.kind === "add") {
          const event = checkpoint.add(routerEvent("a", 1), step.sinks);
          const index = reference.add(step.sinks);
          for (let sink = 0; sink < step.sinks; sink++) open.push({ event, index });
        } else if (step.kind === "settle") {
          const [settled] = open.splice(step.which % Math.max(1, open.length), 1);
          if (settled === undefined) continue;
          checkpoint.settle(settled.event);
          reference.settle(settled.index);
        } else if (step.kind === "forget") {
          checkpoint.forgetMarks();
          reference.forgetMarks();
        } else {
          lsn += BigInt(step.by);
          checkpoint.mark(lsn);
          reference.mark(lsn);
        }
        assert.equal(checkpoint.confirmable, reference.confirmable);
      }
    }),
    { seed: 20260101, numRuns: 500 },
  );
});

/** Keeps everything, and looks at all of it each time. */
class Reference {
  readonly #left: number[] = [];
  #marks: { readonly after: number; readonly lsn: bigint }[] = [];

  add(sinks: number): number {
    return this.#left.push(sinks) - 1;
  }

  settle(index: number): void {
    this.#left[index] = (this.#left[index] ?? 0) - 1;
  }

  mark(lsn: bigint): void {
    this.#marks.push({ after: this.#left.length, lsn });
  }

  forgetMarks(): void {
    this.#marks = [];
  }

  get confirmable(): bigint | undefined {
    let newest: bigint | undefined;
    for (const { after, lsn } of this.#marks) {
      const isSettled = this.#left.slice(0, after).every((left) => left === 0);
      if (isSettled && (newest === undefined || lsn > newest)) newest = lsn;
    }
    return newest;
  }
}

function heapUsed(): number {
  return Deno.memoryUsage().heapUsed;
}
