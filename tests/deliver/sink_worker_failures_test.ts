import assert from "node:assert/strict";
import { Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import {
  answering,
  failing,
  fatal,
  hang,
  Hold,
  rejected,
  retryable,
  ScriptedSink,
  take,
  throwing,
  throwingAtOnce,
} from "../support/scripted_sink.ts";

Deno.test("a failed event is tried again after a backoff; its key waits, others go on", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(failing({ "a-1": retryable() }));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "a");
  await delivery.send("a", "c");
  assert.deepEqual(sink.takenIds, ["b-2", "c-5"]);
  await delivery.clock.advance(199);
  assert.deepEqual(sink.takenIds, ["b-2", "c-5"]);
  await delivery.clock.advance(1);
  assert.deepEqual(sink.takenIds, ["b-2", "c-5", "a-1", "a-3", "a-4"]);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected", "no outage");
  assert.deepEqual(delivery.log.records, []);
  assert.equal((await delivery.metrics.retries.get()).values[0]?.value, 1, "a-3 had not been tried");
});

Deno.test("the backoff of an event grows with its tries", async () => {
  const sink = new ScriptedSink();
  await using delivery = new Delivery([sink]);
  const begin = delivery.clock.now();
  const times: number[] = [];
  sink.otherwise = (batch, signal) => {
    times.push(Math.round(delivery.clock.now() - begin));
    return failing({ "a-1": retryable() })(batch, signal);
  };
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.clock.advance(100_000);
  assert.deepEqual(times, [0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 81_000]);
});

Deno.test("waits as long as the far end asks for, up to the greatest wait", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(
    failing({ "a-1": retryable("429", 5000) }),
    failing({ "a-1": retryable("429", 3_600_000) }),
  );
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.clock.advance(4999);
  assert.equal(sink.batches.length, 1);
  await delivery.clock.advance(1);
  assert.equal(sink.batches.length, 2);
  await delivery.clock.advance(30_000);
  assert.deepEqual(sink.takenIds, ["b-2", "a-1"]);
});

Deno.test("of several events that nothing was taken of, the longest wait asked for is the sink's", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(failing({ "a-1": retryable("503"), "b-2": retryable("429", 5000) }));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.clock.advance(4999);
  assert.equal(sink.batches.length, 1);
  await delivery.clock.advance(1);
  assert.equal(sink.taken.length, 2);
});

Deno.test("after a throw nothing goes out until the pause is over and the sink is connected again", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(throwing(retryable("ECONNRESET")));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.send("c");
  await delivery.clock.advance(199);
  assert.equal(sink.connects, 1);
  assert.equal(sink.batches.length, 1);
  await delivery.clock.advance(1);
  assert.equal(sink.connects, 2);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "c-3"]);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("in an outage one event probes after each pause; afterwards batches grow again", async () => {
  const sink = new ScriptedSink({ concurrency: 4, maxEvents: 8 });
  const outage = throwing(retryable());
  sink.deliveries.push(outage, outage, outage, outage, outage, outage);
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send(...Array.from({ length: 40 }, (_, index) => `k${index}`));
  assert.deepEqual(sink.batches.map((batch) => batch.length), [8, 8, 8, 8]);
  await delivery.clock.advance(200);
  await delivery.clock.advance(400);
  assert.deepEqual(sink.batches.slice(4).map((batch) => batch.length), [1, 1]);
  await delivery.clock.advance(800);
  assert.equal(sink.taken.length, 40);
  const sizes = sink.batches.slice(6).map((batch) => batch.length);
  assert.deepEqual(sizes.slice(0, 3), [1, 2, 2]);
  assert.equal(Math.max(...sizes), 8);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("an outage is told once when it begins and once when it ends, with its length", async () => {
  const sink = new ScriptedSink();
  const outage = throwing(retryable("connection refused"));
  sink.deliveries.push(...Array.from({ length: 20 }, () => outage));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  const [state] = delivery.dispatcher.states();
  assert.equal(state?.state, "retrying");
  assert.equal(state?.lastError, "connection refused");
  assert.equal(state?.queuedEvents, 1);
  assert.equal((await delivery.metrics.sinkConnected.get()).values[0]?.value, 0);
  await delivery.clock.advance(600_000);
  assert.deepEqual(sink.takenIds, ["a-1"]);
  assert.deepEqual(delivery.log.levels, ["warn", "info"]);
  const [began, ended] = delivery.log.records;
  assert.deepEqual(began?.fields, { sink: "Sink0", error: "connection refused" });
  assert(Number(ended?.fields.outageSeconds) > 60);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
  assert.equal(delivery.dispatcher.states()[0]?.lastError, undefined);
  assert.equal((await delivery.metrics.sinkConnected.get()).values[0]?.value, 1);
});

Deno.test("an outage never makes dead letters, however long", async () => {
  for (const outage of [throwing(retryable()), failing({ "a-1": retryable(), "b-2": retryable() })]) {
    const sink = new ScriptedSink();
    sink.otherwise = outage;
    await using delivery = new Delivery([{ sink, retry: { initial: 200, max: 1000, maxAttempts: 1 } }]);
    await delivery.start();
    await delivery.send("a", "b");
    await delivery.clock.advance(300_000);
    assert(sink.batches.length > 200, "it was tried all the time");
    assert.deepEqual(delivery.deadLetters.ids, []);
    sink.otherwise = take;
    await delivery.clock.advance(1000);
    assert.deepEqual(sink.takenIds.toSorted(), ["a-1", "b-2"]);
  }
});

Deno.test("an event that fails while others are taken becomes a dead letter after the last attempt", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": retryable("500") });
  await using delivery = new Delivery([{ sink, retry: { initial: 200, max: 1000, maxAttempts: 3 } }]);
  const { clock } = delivery;
  await delivery.start();
  const begin = clock.now();
  await delivery.send("a", "b", "a"); // counts: b is taken
  await clock.advance(10_000); // many tries, none of which counts: nothing else is taken meanwhile
  assert(sink.batches.length > 5);
  await delivery.send("b");
  await clock.advance(1000); // counts
  assert.deepEqual(delivery.deadLetters.ids, []);
  await delivery.send("b");
  await clock.advance(1000); // counts
  const [letter] = delivery.deadLetters.letters;
  assert.equal(letter?.event.id, "a-1");
  assert.equal(letter.kind, "retryable");
  assert.equal(letter.reason, "500");
  assert.equal(letter.attempts, sink.batches.filter((batch) => batch.includes("a-1")).length);
  assert.equal(letter.firstTime, begin);
  assert(letter.lastTime > begin + 10_000 && letter.lastTime <= clock.now());
  await clock.advance(1000);
  assert(sink.takenIds.includes("a-3"), "the key goes on");
});

Deno.test("one bad event that comes alone does not hold up the others", async () => {
  const sink = new ScriptedSink({ maxEvents: 1 });
  sink.otherwise = failing({ "bad-1": retryable("500") });
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("bad");
  await delivery.clock.advance(60_000);
  assert.equal(delivery.dispatcher.states()[0]?.state, "retrying");
  await delivery.send("a", "b", "c");
  await delivery.clock.advance(30_000);
  assert.deepEqual(sink.takenIds, ["a-2", "b-3", "c-4"]);
  for (let n = 0; n < 12; n++) {
    await delivery.send("a");
    await delivery.clock.advance(30_000);
  }
  assert.deepEqual(delivery.deadLetters.ids, ["bad-1"]);
  assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 0);
});

Deno.test("in an outage each probe tries another event, even when a failed one is due again first", async () => {
  const sink = new ScriptedSink({ maxEvents: 1 });
  sink.otherwise = failing({ "bad-1": retryable("500") });
  let draws = 0;
  const random = () => draws++ % 2 ? 0.99 : 0; // the key's own wait is drawn before the sink's
  await using delivery = new Delivery([sink], { random });
  await delivery.start();
  await delivery.send("bad", "a");
  await delivery.clock.advance(200);
  assert.deepEqual(sink.batches, [["bad-1"], ["a-2"], ["bad-1"]]);
});

Deno.test("when an outage is over, the keys that failed in it are tried at once", async () => {
  const sink = new ScriptedSink({ maxEvents: 2 });
  sink.deliveries.push(failing({ "a-1": retryable(), "b-2": retryable() }));
  let draws = 0;
  const random = () => draws++ < 2 ? 0.99 : 0; // the keys wait long, the sink does not
  await using delivery = new Delivery([sink], { random });
  await delivery.start();
  await delivery.send("a", "b", "c", "d");
  await delivery.clock.advance(1);
  assert.deepEqual(sink.batches.slice(0, 2), [["a-1", "b-2"], ["c-3"]], "the probe is one event");
  assert.deepEqual(sink.takenIds, ["c-3", "a-1", "b-2", "d-4"]);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("a batch that is taken ends an outage at once", async () => {
  const sink = new ScriptedSink({ concurrency: 2, maxEvents: 1 });
  const hold = new Hold();
  sink.deliveries.push(hold.delivery(), throwing(retryable("503", 30_000)));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  hold.release();
  await turn();
  assert.deepEqual(sink.takenIds, ["a-1", "b-2"]);
  assert.equal(delivery.clock.timers, 0);
});

Deno.test("an event at which the sink throws steps aside in time, and becomes a dead letter at last", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = (batch) =>
    batch.some((event) => event.id === "bad-2")
      ? Promise.reject(new TypeError("x is undefined"))
      : Promise.resolve([]);
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "bad", "b", "c");
  await delivery.clock.advance(300_000);
  assert.deepEqual(sink.takenIds, ["a-1", "b-3", "c-4"]);
  for (let n = 0; n < 12; n++) {
    await delivery.send("a", "b");
    await delivery.clock.advance(60_000);
  }
  assert.deepEqual(delivery.deadLetters.ids, ["bad-2"]);
  assert.equal(delivery.deadLetters.letters[0]?.reason, "Cannot deliver: x is undefined");
  assert.equal(sink.taken.length, 27);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("an event at which the sink throws is tried singly, though batches beside it succeed", async () => {
  const sink = new ScriptedSink({ concurrency: 2 });
  let throws = 0;
  await using delivery = new Delivery([sink]);
  sink.otherwise = (batch) => {
    if (!batch.some((event) => event.id === "bad-1") || throws === 20) return Promise.resolve([]);
    if (batch.length === 1) return Promise.resolve([{ index: 0, error: rejected() }]);
    throws++;
    delivery.enqueue("other");
    return Promise.reject(retryable("500"));
  };
  await delivery.start();
  await delivery.send("bad", "bad");
  await delivery.clock.advance(60_000);
  assert.deepEqual(delivery.deadLetters.ids, ["bad-1"]);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("whatever a sink throws counts as an outage, thrown at once or later", async () => {
  for (const thrown of [new TypeError("x is undefined"), "a string", undefined]) {
    for (const step of [throwing(thrown), throwingAtOnce(thrown)]) {
      const sink = new ScriptedSink();
      sink.deliveries.push(step);
      await using delivery = new Delivery([sink]);
      await delivery.start();
      await delivery.send("a", "b");
      assert.equal(delivery.dispatcher.states()[0]?.state, "retrying");
      await delivery.clock.advance(200);
      assert.deepEqual(sink.takenIds, ["a-1", "b-2"]);
    }
  }
});

Deno.test("a rejected event becomes a dead letter; the others, and its key, go on", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": rejected("413 too large") });
  await using delivery = new Delivery([sink]);
  await delivery.start();
  const now = delivery.clock.now();
  await delivery.send("a", "b", "a");
  assert.deepEqual(sink.takenIds, ["b-2", "a-3"]);
  assert.deepEqual(delivery.deadLetters.letters.map(({ event, ...rest }) => ({ ...rest, id: event.id })), [{
    sink: "Sink0",
    route: "to-0",
    reason: "413 too large",
    kind: "rejected",
    attempts: 1,
    firstTime: now,
    lastTime: now,
    id: "a-1",
  }]);
  assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 0);
  const results = (await delivery.metrics.events.get()).values.map((
    { labels, value },
  ) => [labels.result, value]);
  assert.deepEqual(Object.fromEntries(results), { delivered: 2, dead_lettered: 1 });
});

Deno.test("a batch rejected by a throw gives a dead letter for its culprit alone", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = (batch) =>
    batch.some((event) => event.partitionkey === "bad")
      ? Promise.reject(rejected("400"))
      : Promise.resolve([]);
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "bad", "c", "bad", "d");
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "c-4", "d-6"]);
  assert.deepEqual(delivery.deadLetters.ids, ["bad-3", "bad-5"]);
  assert.equal(delivery.clock.timers, 0, "nothing waits");
});

Deno.test("a dead letter that cannot be written holds the slot, is told once, and is tried again", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = failing({ "a-1": rejected() });
  await using delivery = new Delivery([sink]);
  delivery.deadLetters.broken = new Error("No space left on device");
  await delivery.start();
  await delivery.send("a", "b", "a");
  delivery.dispatcher.settle(10n);
  await delivery.clock.advance(300_000);
  assert.deepEqual(sink.takenIds, ["b-2", "a-3"]);
  assert.equal(delivery.dispatcher.confirmable, undefined);
  assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 1);
  assert.deepEqual(delivery.log.levels, ["warn", "error"], "the event, and the trouble");
  delivery.deadLetters.broken = undefined;
  await delivery.clock.advance(30_000);
  assert.deepEqual(delivery.deadLetters.ids, ["a-1"]);
  assert.equal(delivery.dispatcher.confirmable, 10n);
  assert.deepEqual(delivery.log.levels, ["warn", "error", "info"]);
});

Deno.test("a sink with a fatal error is down for good, and the others go on", async () => {
  const [sick, well] = [new ScriptedSink(), new ScriptedSink()];
  sick.deliveries.push(failing({ "a-1": fatal("401 Unauthorized") }));
  await using delivery = new Delivery([sick, well]);
  await delivery.start();
  await delivery.send("a", "b", "a");
  delivery.dispatcher.settle(10n);
  await delivery.clock.advance(600_000);
  await delivery.send("c");
  assert.equal(sick.batches.length, 1, "nothing more is sent");
  assert.deepEqual(sick.takenIds, ["b-2"], "what it took before is settled");
  assert.deepEqual(well.takenIds, ["a-1", "b-2", "a-3", "c-4"]);
  const [state, other] = delivery.dispatcher.states();
  assert.equal(state?.state, "down");
  assert.equal(state?.lastError, "401 Unauthorized");
  assert.equal(state?.queuedEvents, 3);
  assert.equal(other?.state, "connected");
  assert.equal(delivery.dispatcher.confirmable, undefined);
  assert.deepEqual(delivery.log.levels, ["error"]);
  assert.equal(delivery.deadLetters.letters.length, 0);
});

Deno.test("a throw may be fatal too, in deliver and in connect", async () => {
  const [first, second] = [new ScriptedSink(), new ScriptedSink()];
  first.deliveries.push(throwing(fatal()));
  second.connections.push(() => Promise.reject(fatal()));
  await using delivery = new Delivery([first, second]);
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.clock.advance(600_000);
  assert.deepEqual(delivery.dispatcher.states().map(({ state }) => state), ["down", "down"]);
  assert.deepEqual([first.connects, second.connects], [1, 1]);
  assert.deepEqual(delivery.log.levels, ["error", "error"]);
});

Deno.test("what is in flight when a sink goes down is settled, and does not bring it up", async () => {
  const sink = new ScriptedSink({ concurrency: 4, maxEvents: 1 });
  const [hold, failed] = [new Hold(), throwing(retryable())];
  sink.deliveries.push(hold.delivery(), failed, throwing(fatal()), failed);
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "c", "d");
  assert.equal(delivery.clock.timers, 0, "nothing is waited for");
  hold.release();
  await turn();
  assert.deepEqual(sink.takenIds, ["a-1"]);
  assert.equal(delivery.dispatcher.states()[0]?.state, "down");
  assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 3);
});

Deno.test("a batch that fails late does not end an outage because of what was taken before", async () => {
  const sink = new ScriptedSink({ concurrency: 2, maxEvents: 1 });
  const hold = new Hold();
  const late = hold.delivery(failing({ "a-1": retryable() }));
  sink.deliveries.push(late, take, throwing(retryable("503", 30_000)));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "c");
  assert.equal(delivery.dispatcher.states()[0]?.state, "retrying");
  hold.release();
  await turn();
  assert.equal(delivery.dispatcher.states()[0]?.state, "retrying");
  await delivery.clock.advance(29_000);
  assert.equal(sink.batches.length, 3);
});

Deno.test("when an outage leaves nothing to try, a connection shows its end", async () => {
  const sink = new ScriptedSink();
  const failed = failing({ "a-1": retryable(), "b-2": retryable() });
  sink.deliveries.push(failed, take, throwing(retryable()), failed, failed);
  await using delivery = new Delivery([{ sink, retry: { initial: 200, max: 1000, maxAttempts: 1 } }]);
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.send("c");
  await delivery.clock.advance(10_000);
  assert.deepEqual(sink.takenIds, ["c-3"]);
  assert.deepEqual(delivery.deadLetters.ids, ["a-1", "b-2"]);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
});

Deno.test("connects for ever, with backoff, and tells it once", async () => {
  const sink = new ScriptedSink();
  sink.connection = () => Promise.reject(retryable("ECONNREFUSED"));
  await using delivery = new Delivery([sink]);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connecting");
  await delivery.start();
  await delivery.send("a");
  await delivery.clock.advance(3_600_000);
  assert(sink.connects > 100 && sink.connects < 150, `${sink.connects} in an hour, at most every 30 s`);
  assert.equal(delivery.dispatcher.states()[0]?.state, "retrying");
  sink.connection = () => Promise.resolve();
  await delivery.clock.advance(30_000);
  assert.deepEqual(sink.takenIds, ["a-1"]);
  assert.deepEqual(delivery.log.levels, ["warn", "info"]);
});

Deno.test("a connection does not end an outage of deliveries", async () => {
  const sink = new ScriptedSink();
  sink.otherwise = throwing(retryable());
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  await delivery.clock.advance(600_000);
  assert(sink.connects > 10);
  assert.deepEqual(delivery.log.levels, ["warn"]);
  assert(sink.batches.length < 50, "the backoff grows on");
});

Deno.test("waits for all batches in flight before it connects again", async () => {
  const sink = new ScriptedSink({ concurrency: 2, maxEvents: 1 });
  const hold = new Hold();
  sink.deliveries.push(hold.delivery(), throwing(retryable()));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  await delivery.clock.advance(10_000);
  assert.equal(sink.connects, 1);
  hold.release();
  await turn();
  assert.equal(sink.connects, 2);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2"]);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("a throw beside batches that succeed holds its keys back for their backoff, not the sink", async () => {
  const sink = new ScriptedSink({ concurrency: 2, maxEvents: 1 });
  const hold = new Hold();
  sink.deliveries.push(hold.delivery(throwing(retryable())), take);
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  hold.release();
  await turn();
  await delivery.send("c", "a");
  assert.deepEqual(sink.takenIds, ["b-2", "c-3"]);
  assert.equal(sink.connects, 2);
  await delivery.clock.advance(199);
  assert.deepEqual(sink.takenIds, ["b-2", "c-3"], "the new connection did not cut the backoff");
  await delivery.clock.advance(1);
  assert.deepEqual(sink.takenIds, ["b-2", "c-3", "a-1", "a-4"]);
  assert.deepEqual(delivery.log.records, []);
});

Deno.test("a sink that returns an index out of range is at fault: all is retried, and it is told once", async () => {
  for (const index of [2, -1, 0.5, NaN]) {
    const sink = new ScriptedSink();
    const fault = answering([{ index, error: rejected() }]);
    sink.deliveries.push(fault, fault);
    await using delivery = new Delivery([sink]);
    await delivery.start();
    await delivery.send("a", "b");
    assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 2, "nothing counts as delivered");
    await delivery.clock.advance(10_000);
    assert.equal(delivery.dispatcher.states()[0]?.queuedEvents, 0);
    assert.deepEqual(delivery.deadLetters.ids, []);
    assert.equal(delivery.log.levels.filter((level) => level === "error").length, 1);
  }
});

Deno.test("of an index that is returned twice the first counts", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(answering([{ index: 0, error: rejected() }, { index: 0, error: retryable() }]));
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  assert.deepEqual(delivery.deadLetters.ids, ["a-1"]);
  assert.equal(sink.batches.length, 1);
});

Deno.test("a sink that hangs for ever hurts only itself", async () => {
  const [stuck, well] = [new ScriptedSink(), new ScriptedSink()];
  stuck.otherwise = hang;
  await using delivery = new Delivery([stuck, well]);
  await delivery.start();
  for (let n = 0; n < 100; n++) await delivery.send("a", "b");
  assert.equal(well.taken.length, 200);
  assert.equal(stuck.batches.length, 1);
});
