import assert from "node:assert/strict";
import fc from "fast-check";
import { RequestRate } from "../../sinks/webhook/request_rate.ts";
import { FakeClock, turn } from "../support/fake_clock.ts";

const NEVER = new AbortController().signal;
const DAY = 24 * 60 * 60 * 1_000;

/** A rate, and when the requests began that it let begin. */
function rateOf(perMinute: number) {
  const clock = new FakeClock(0);
  const rate = new RequestRate(clock);
  rate.limit(perMinute);
  const began: number[] = [];
  const request = () => rate.admit(NEVER).then(() => began.push(clock.now()));
  return { clock, rate, began, request };
}

Deno.test("RequestRate lets requests begin at once while the minute has some left, then one by one", async () => {
  const { clock, began, request } = rateOf(3);
  request();
  await clock.advance(10_000);
  for (let number = 0; number < 4; number++) request();
  await turn();
  assert.deepEqual(began, [0, 10_000, 10_000]);
  await clock.advance(49_999);
  assert.equal(began.length, 3);
  await clock.advance(10_001);
  assert.deepEqual(began, [0, 10_000, 10_000, 60_000, 70_000]);
});

Deno.test("RequestRate never lets more begin within a minute, and none wait longer than they must", async () => {
  const scenario = fc.record({
    perMinute: fc.integer({ min: 1, max: 7 }),
    gaps: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 90_000 })), {
      minLength: 1,
      maxLength: 40,
    }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ perMinute, gaps }) => {
      const { clock, began, request } = rateOf(perMinute);
      const asked: number[] = [];
      for (const gap of gaps) {
        await clock.advance(gap);
        asked.push(clock.now());
        request();
      }
      while (await clock.next());
      assert.equal(began.length, gaps.length);
      for (const [index, time] of began.entries()) {
        const ahead = began[index - perMinute] ?? -Infinity;
        assert.equal(time, Math.max(asked[index] ?? NaN, ahead + 60_000));
      }
    }),
    { seed: 20260101, numRuns: 50 },
  );
});

Deno.test("RequestRate remembers the last minute when its limit changes", async () => {
  const { clock, rate, began, request } = rateOf(5);
  for (let number = 0; number < 5; number++) request();
  await turn();
  rate.limit(2);
  request();
  await clock.advance(59_999);
  assert.equal(began.length, 5);
  await clock.advance(1);
  assert.equal(began.length, 6);
  rate.limit(Infinity);
  for (let number = 0; number < 100; number++) request();
  await turn();
  assert.equal(began.length, 106);
});

Deno.test("RequestRate measures its minute by what passes, not by a clock that somebody sets", async () => {
  for (const jump of [DAY, -DAY]) {
    const { clock, began, request } = rateOf(1);
    request();
    await turn();
    clock.jump(jump);
    request();
    await clock.advance(59_999);
    assert.equal(began.length, 1);
    await clock.advance(1);
    assert.equal(began.length, 2);
  }
});

Deno.test("RequestRate stops waiting when it is told to, and leaves no timer", async () => {
  const { clock, rate, request } = rateOf(1);
  request();
  const stop = new AbortController();
  const waiting = rate.admit(stop.signal);
  await turn();
  assert.equal(clock.timers, 1);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  assert.equal(clock.timers, 0);
});
