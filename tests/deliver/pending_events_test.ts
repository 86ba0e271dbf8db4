import assert from "node:assert/strict";
import fc from "fast-check";
import { UnsettledEvent } from "../../src/deliver/checkpoint.ts";
import { PendingEvents, QueuedEvent } from "../../src/deliver/pending_events.ts";
import { routerEvent } from "../support/router_events.ts";

const MANY = { maxEvents: 1000, maxBytes: Infinity };

Deno.test("gives events in commit order", () => {
  const pending = pendingOf("a", "b", "a", "c");
  assert.deepEqual(ids(pending.take(MANY)), ["a1", "b2", "a3", "c4"]);
  assert.deepEqual(ids(pending.take(MANY)), []);
});

Deno.test("gives no more events than the limit", () => {
  const pending = pendingOf("a", "b", "c");
  assert.deepEqual(ids(pending.take({ maxEvents: 2, maxBytes: Infinity })), ["a1", "b2"]);
  assert.deepEqual(ids(pending.take({ maxEvents: 2, maxBytes: Infinity })), ["c3"]);
});

Deno.test("gives no more bytes than the limit, but one larger event alone", () => {
  const pending = new PendingEvents();
  for (const [n, size] of [4, 4, 30, 4, 6].entries()) pending.push(queued("k" + n, n, "é".repeat(size / 2)));
  const limits = { maxEvents: 10, maxBytes: 10 };
  assert.deepEqual(ids(pending.take(limits)), ["k00", "k11"]);
  assert.deepEqual(ids(pending.take(limits)), ["k22"]);
  assert.deepEqual(ids(pending.take(limits)), ["k33", "k44"]);
});

Deno.test("passes over events of a key that is held, and gives them first once it is released", () => {
  const pending = pendingOf("a", "a", "b", "a", "c");
  assert.deepEqual(ids(pending.take({ maxEvents: 1, maxBytes: Infinity })), ["a1"]);
  assert.deepEqual(ids(pending.take({ maxEvents: 1, maxBytes: Infinity })), ["b3"]);
  pending.release("a");
  assert.deepEqual(ids(pending.take(MANY)), ["a2", "a4", "c5"]);
});

Deno.test("gives what waited for its key last, if asked for fresh events first", () => {
  const pending = pendingOf("a", "a", "b");
  pending.take({ maxEvents: 1, maxBytes: Infinity });
  pending.take(MANY); // b3, past a2
  pending.push(queued("c", 4));
  pending.release("a");
  assert.deepEqual(ids(pending.take(MANY, true)), ["c4", "a2"]);
});

Deno.test("puts in the order of the stream what has waited for its key", () => {
  const pending = pendingOf("a", "b", "a", "b", "c", "a");
  pending.take({ maxEvents: 2, maxBytes: Infinity }); // a1, b2
  pending.take(MANY); // c5, past a3, b4 and a6
  for (const key of "abc") pending.release(key);
  pending.putInOrder();
  assert.deepEqual(ids(pending.take(MANY)), ["a3", "b4", "a6"]);
});

Deno.test("an event given back comes before the later ones of its key", () => {
  const pending = pendingOf("a", "b", "a");
  const [a1, b2, a3] = pending.take(MANY);
  assert(a1 && b2 && a3);
  pending.push(queued("a", 4));
  pending.giveBack(a3);
  pending.giveBack(a1);
  pending.release("b");
  assert.deepEqual(ids(pending.take(MANY)), []);
  pending.release("a");
  assert.deepEqual(ids(pending.take(MANY)), ["a1", "a3", "a4"]);
});

Deno.test("a restored batch is next again, as it was", () => {
  const pending = pendingOf("a", "b", "a", "c");
  pending.restore(pending.take({ maxEvents: 3, maxBytes: Infinity }));
  assert.deepEqual(ids(pending.take(MANY)), ["a1", "b2", "a3", "c4"]);
});

Deno.test("a batch may grow while it is not full and nothing has waited already", () => {
  const pending = new PendingEvents();
  const limits = { maxEvents: 3, maxBytes: 100 };
  assert.equal(pending.mayGrow(limits), false, "nothing is there");
  pending.push(queued("a", 1));
  assert.equal(pending.mayGrow(limits), true);
  assert.equal(pending.mayGrow({ maxEvents: 1, maxBytes: 100 }), false);
  assert.equal(pending.mayGrow({ maxEvents: 3, maxBytes: 1 }), false);
  const [a1] = pending.take(MANY);
  assert(a1);
  pending.giveBack(a1);
  pending.release("a");
  pending.push(queued("b", 2));
  assert.equal(pending.mayGrow(limits), false, "a1 has waited for its retry");
});

Deno.test("whatever happens, each key keeps its order, is held once, and no event is lost", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    fc.record({ kind: fc.constant("push" as const), key }),
    fc.record({
      kind: fc.constant("take" as const),
      maxEvents: fc.integer({ min: 1, max: 6 }),
      maxBytes: fc.constantFrom(1, 12, Infinity),
      freshFirst: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("settle" as const), batch: fc.nat(5) }),
    fc.record({ kind: fc.constant("restore" as const), batch: fc.nat(5) }),
    fc.record({ kind: fc.constant("fail" as const), batch: fc.nat(5), index: fc.nat(5) }),
    fc.record({ kind: fc.constant("retry" as const), which: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
      const pending = new PendingEvents();
      const flying: QueuedEvent[][] = [];
      const waiting = new Set<string>();
      /** What is not settled, in order, by key. */
      const model = new Map<string, QueuedEvent[]>();
      let pushed = 0;
      const settle = (event: QueuedEvent) => {
        assert.equal(model.get(event.key)?.shift(), event, "events of a key are settled in order");
      };
      const takeAndCheck = (maxEvents: number, maxBytes: number, freshFirst: boolean) => {
        const batch = pending.take({ maxEvents, maxBytes }, freshFirst);
        assert(batch.length <= maxEvents);
        const bytes = batch.reduce((sum, event) => sum + event.unsettled.bytes, 0);
        assert(batch.length <= 1 || bytes <= maxBytes);
        for (const event of batch) {
          assert(!waiting.has(event.key), "a key that waits for its retry is held");
          assert(flying.every((other) => other.every(({ key }) => key !== event.key)), "a key flies once");
        }
        for (const [key, open] of model) {
          const taken = batch.filter((event) => event.key === key);
          assert.deepEqual(ids(taken), ids(open.slice(0, taken.length)), "the first of its key, in order");
        }
        if (batch.length > 0) flying.push(batch);
        return batch.length;
      };
      for (const step of steps) {
        switch (step.kind) {
          case "push": {
            const event = queued(step.key, ++pushed);
            model.set(step.key, [...model.get(step.key) ?? [], event]);
            pending.push(event);
            break;
          }
          case "take":
            takeAndCheck(step.maxEvents, step.maxBytes, step.freshFirst);
            break;
          case "settle": {
            const [batch = []] = flying.splice(step.batch, 1);
            for (const event of batch) settle(event);
            for (const event of batch) pending.release(event.key);
            break;
          }
          case "restore": {
            const [batch = []] = flying.splice(step.batch, 1);
            pending.restore(batch);
            break;
          }
          case "fail": {
            const [batch = []] = flying.splice(step.batch, 1);
            const failed = batch[step.index % Math.max(1, batch.length)];
            const isKept = (event: QueuedEvent, index: number) =>
              event.key === failed?.key && index >= batch.indexOf(failed);
            for (const event of batch.filter((event, index) => !isKept(event, index))) settle(event);
            for (const event of batch.filter(isKept).toReversed()) pending.giveBack(event);
            for (const { key } of batch) {
              if (key !== failed?.key) pending.release(key);
            }
            if (failed !== undefined) waiting.add(failed.key);
            break;
          }
          case "retry": {
            const key = [...waiting][step.which];
            if (key === undefined) break;
            waiting.delete(key);
            pending.release(key);
            break;
          }
          default:
            step satisfies never;
        }
      }
      for (const batch of flying.splice(0)) pending.restore(batch);
      for (const key of waiting) pending.release(key);
      waiting.clear();
      while (takeAndCheck(1000, Infinity, false) > 0) {
        for (const event of flying.pop() ?? []) {
          settle(event);
          pending.release(event.key);
        }
      }
      for (const [key, open] of model) assert.deepEqual(ids(open), [], `nothing of ${key} is left`);
    }),
    { seed: 20260102, numRuns: 1000 },
  );
});

function queued(key: string, n: number, data?: string): QueuedEvent {
  const event = routerEvent(key, n, { id: `${key}${n}`, ...(data === undefined ? {} : { data }) });
  return new QueuedEvent(new UnsettledEvent(event, 1), "r");
}

function pendingOf(...keys: string[]): PendingEvents {
  const pending = new PendingEvents();
  for (const [index, key] of keys.entries()) pending.push(queued(key, index + 1));
  return pending;
}

function ids(events: readonly QueuedEvent[]): string[] {
  return events.map((event) => event.unsettled.event.event.id);
}
