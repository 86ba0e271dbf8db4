import assert from "node:assert/strict";
import fc from "fast-check";
import { Delivery } from "../support/delivery.ts";
import { type FakeClock, turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import {
  answering,
  type Delivery as Step,
  failing,
  rejected,
  retryable,
  ScriptedSink,
  take,
  throwing,
} from "../support/scripted_sink.ts";

/** What a sink does with one batch. `mask` chooses events by their index. */
const behaviour = fc.record({
  delayMs: fc.constantFrom(0, 0, 0, 5, 300),
  kind: fc.constantFrom("take", "fail", "fail", "reject", "mixed", "throw", "rejectAll", "nonsense"),
  mask: fc.nat(63),
});
type Behaviour = typeof behaviour extends fc.Arbitrary<infer Value> ? Value : never;

const sinkPlan = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  maxEvents: fc.integer({ min: 1, max: 5 }),
  maxBytes: fc.constantFrom(Infinity, 15),
  lingerMs: fc.constantFrom(0, 0, 20),
  maxAttempts: fc.constantFrom(1, 3),
  script: fc.array(behaviour, { maxLength: 40, size: "max" }),
});

const producerStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ key: fc.constantFrom("a", "b", "c", "d"), sinks: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.constant("mark" as const) },
  { weight: 1, arbitrary: fc.constant("turn" as const) },
  { weight: 1, arbitrary: fc.constantFrom(10, 250, 5000) },
);

Deno.test("whatever sinks do, every event is settled in order, and nothing unsettled is ever confirmed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(sinkPlan, { minLength: 1, maxLength: 3 }),
      fc.array(producerStep, { maxLength: 80, size: "max" }),
      async (plans, steps) => {
        const marks = new Map<bigint, number>();
        const events: { readonly id: string; readonly key: string; readonly sinks: readonly number[] }[] = [];
        const isSettled = (index: number, id: string) =>
          delivery.sinks[index]?.takenIds.includes(id) ||
          delivery.deadLetters.letters.some(({ sink, event }) => sink === `Sink${index}` && event.id === id);
        const sinks = plans.map(({ concurrency, maxEvents, maxBytes, lingerMs, maxAttempts }) => ({
          sink: new ScriptedSink({ concurrency, maxEvents, maxBytes, lingerMs }),
          retry: { initial: 100, max: 2000, maxAttempts },
        }));
        const delivery = new Delivery(sinks, {
          random: seeded(steps.length),
          onConfirmable: (lsn) => {
            const before = marks.get(lsn);
            assert(before !== undefined, "only marks are confirmed");
            for (const { id, sinks } of events.slice(0, before)) {
              for (const index of sinks) assert(isSettled(index, id), `${id} is settled by sink ${index}`);
            }
            assert(lsn > lastConfirmed, "only newer ones");
            lastConfirmed = lsn;
          },
        });
        let lastConfirmed = 0n;
        for (const [index, plan] of plans.entries()) {
          delivery.sinks[index]?.deliveries.push(...plan.script.map((it) => play(it, delivery.clock)));
        }

        delivery.dispatcher.start();
        let lsn = 0n;
        const mark = () => {
          marks.set(++lsn, events.length);
          delivery.dispatcher.settle(lsn);
        };
        for (const step of steps) {
          if (step === "mark") mark();
          else if (step === "turn") await turn();
          else if (typeof step === "number") await delivery.clock.advance(step);
          else {
            const chosen = plans.map((_, index) => index).filter((index) => step.sinks & (1 << index));
            const event = routerEvent(step.key, events.length + 1);
            events.push({ id: event.event.id, key: step.key, sinks: chosen });
            delivery.dispatcher.enqueue(event, chosen.map((sink) => ({ sink, route: "r" })));
          }
        }
        mark();
        await delivery.clock.advance(3_600_000); // the scripts end, and the sinks take everything

        for (const [index, sink] of delivery.sinks.entries()) {
          assert.deepEqual(sink.breaches, [], "the sink contract is kept");
          const mine = events.filter(({ sinks }) => sinks.includes(index));
          for (const { id } of mine) assert(isSettled(index, id), `${id} arrived at sink ${index}`);
          for (const key of ["a", "b", "c", "d"]) {
            const taken = [...new Set(sink.takenIds)].filter((id) => id.startsWith(key));
            const inOrder = mine.map(({ id }) => id).filter((id) => taken.includes(id));
            assert.deepEqual(
              taken,
              inOrder.filter((id) => id.startsWith(key)),
              "first occurrences, in commit order",
            );
          }
          const { state, queuedEvents, queuedBytes } = delivery.dispatcher.states()[index] ?? {};
          assert.deepEqual([state, queuedEvents, queuedBytes], ["connected", 0, 0]);
        }
        assert.equal(delivery.dispatcher.confirmable, lsn, "the last mark");
        await delivery[Symbol.asyncDispose]();
        assert.equal(delivery.clock.timers, 0);
      },
    ),
    { seed: 20260103, numRuns: 1000 },
  );
});

function play({ delayMs, kind, mask }: Behaviour, clock: FakeClock): Step {
  return async (batch, signal) => {
    if (delayMs > 0) await new Promise<void>((resolve) => clock.after(delayMs, resolve));
    const chosen = batch.filter((_, index) => mask & (1 << index)).map((event) => event.id);
    const errors = (make: (index: number) => ReturnType<typeof retryable>) =>
      Object.fromEntries(chosen.map((id, index) => [id, make(index)]));
    const step = {
      take,
      fail: failing(errors(() => retryable())),
      reject: failing(errors(() => rejected())),
      mixed: failing(errors((index) => index % 2 ? rejected() : retryable())),
      throw: throwing(retryable()),
      rejectAll: throwing(rejected()),
      nonsense: answering([{ index: 99, error: rejected() }]),
    }[kind];
    return await (step ?? take)(batch, signal);
  };
}

/** A small generator of jitter, the same for the same run. */
function seeded(seed: number): () => number {
  let state = seed + 1;
  return () => (state = state * 48_271 % 2_147_483_647) / 2_147_483_647;
}
