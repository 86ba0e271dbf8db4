import assert from "node:assert/strict";
import { Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import { Hold, ScriptedSink, throwing } from "../support/scripted_sink.ts";

Deno.test("connects before it delivers, and delivers what was queued before the start", async () => {
  const sink = new ScriptedSink();
  await using delivery = new Delivery([sink]);
  await delivery.send("a", "b");
  assert.deepEqual(sink.batches, []);
  await delivery.start();
  assert.equal(sink.connects, 1);
  assert.deepEqual(sink.batches, [["a-1", "b-2"]]);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("an event goes out at once when nothing else waits", async () => {
  const sink = new ScriptedSink();
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  await delivery.send("b");
  assert.deepEqual(sink.batches, [["a-1"], ["b-2"]]);
  assert.equal(delivery.clock.timers, 0, "nothing waits for time");
});

Deno.test("a batch has at most the configured number of events", async () => {
  const sink = new ScriptedSink();
  await using delivery = new Delivery([{ sink, maxBatchSize: 3 }]);
  await delivery.start();
  await delivery.send("a", "b", "a", "c", "d", "e", "f");
  assert.deepEqual(sink.batches.map((batch) => batch.length), [3, 3, 1]);
});

Deno.test("a batch has at most the number of events that the sink prefers", async () => {
  const sink = new ScriptedSink({ maxEvents: 2 });
  await using delivery = new Delivery([{ sink, maxBatchSize: 3 }]);
  await delivery.start();
  await delivery.send("a", "b", "c");
  assert.deepEqual(sink.batches.map((batch) => batch.length), [2, 1]);
});

Deno.test("a batch has at most the bytes that the sink prefers", async () => {
  const sink = new ScriptedSink({ maxBytes: 16 }); // two bodies such as {"n":1}
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "c");
  assert.deepEqual(sink.batches.map((batch) => batch.length), [2, 1]);
});

Deno.test("gathers while a batch is in flight, and sends the next when it is done", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  await delivery.send("b");
  await delivery.send("c");
  assert.equal(sink.inFlight, 1);
  hold.release();
  await turn();
  assert.deepEqual(sink.batches, [["a-1"], ["b-2", "c-3"]]);
});

Deno.test("lingers for a sink that prefers it, but not once the batch is full", async () => {
  const sink = new ScriptedSink({ lingerMs: 100, maxEvents: 3 });
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  await delivery.clock.advance(60);
  await delivery.send("b");
  assert.deepEqual(sink.batches, []);
  await delivery.clock.advance(39);
  assert.deepEqual(sink.batches, []);
  await delivery.clock.advance(1);
  assert.deepEqual(sink.batches, [["a-1", "b-2"]], "100 ms after the first");
  await delivery.send("c", "d", "e", "f");
  assert.deepEqual(sink.batches.slice(1), [["c-3", "d-4", "e-5"]]);
  await delivery.clock.advance(99);
  assert.deepEqual(sink.batches.slice(2), [], "a wait of its own");
  await delivery.clock.advance(1);
  assert.deepEqual(sink.batches.slice(2), [["f-6"]]);
});

Deno.test("lingers no longer when the batch has as many bytes as it may", async () => {
  const sink = new ScriptedSink({ lingerMs: 100, maxBytes: 14 });
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  assert.deepEqual(sink.batches, [["a-1", "b-2"]]);
});

Deno.test("lingers no longer when its queue is full, so that nothing more can come", async () => {
  const sink = new ScriptedSink({ lingerMs: 100, maxEvents: 1000 });
  await using delivery = new Delivery([{
    sink,
    queue: { maxEvents: 2, maxBytes: 1000 },
    maxBatchSize: 1000,
  }]);
  await delivery.start();
  await delivery.send("a");
  assert.deepEqual(sink.batches, []);
  await delivery.send("b");
  assert.deepEqual(sink.batches, [["a-1", "b-2"]]);
});

Deno.test("sends as many batches at once as the sink prefers", async () => {
  const sink = new ScriptedSink({ concurrency: 3, maxEvents: 1 });
  const hold = new Hold();
  sink.otherwise = hold.delivery();
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "c", "d");
  assert.equal(sink.inFlight, 3);
  hold.release();
  await turn();
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "c-3", "d-4"]);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("events of a key that is in flight wait, and others pass them", async () => {
  const sink = new ScriptedSink({ concurrency: 2, maxEvents: 2 });
  const [slow, fast] = [new Hold(), new Hold()];
  sink.deliveries.push(slow.delivery(), fast.delivery());
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b", "a", "c", "b", "d", "e");
  assert.deepEqual(sink.batches, [["a-1", "b-2"], ["c-4", "d-6"]]);
  fast.release();
  await turn();
  assert.deepEqual(sink.batches.slice(2), [["e-7"]], "a and b are still in flight");
  slow.release();
  await turn();
  assert.deepEqual(sink.batches.slice(3), [["a-3", "b-5"]]);
  assert.deepEqual(sink.breaches, []);
});

Deno.test("a sink with one batch at once sees commit order, across outages too", async () => {
  const sink = new ScriptedSink({ maxEvents: 3 });
  const outage = throwing(new Error("gone"));
  sink.deliveries.push(outage, outage, outage);
  await using delivery = new Delivery([sink]);
  await delivery.start();
  const keys = ["a", "b", "a", "c", "d", "b", "a", "e"];
  await delivery.send(...keys);
  await delivery.clock.advance(10_000);
  assert.deepEqual(sink.takenIds, keys.map((key, index) => `${key}-${index + 1}`));
});

Deno.test("counts each type of a batch by itself", async () => {
  await using delivery = new Delivery([new ScriptedSink()]);
  await delivery.start();
  for (const [n, type] of ["x", "x", "y", "x"].entries()) {
    delivery.dispatcher.enqueue(routerEvent("a", n, { type }), [{ sink: 0, route: "r" }]);
  }
  await turn();
  const counts = (await delivery.metrics.events.get()).values.map((
    { labels, value },
  ) => [labels.type, value]);
  assert.deepEqual(Object.fromEntries(counts), { x: 3, y: 1 });
});

Deno.test("counts what is delivered by type, what is queued, and how long it took", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a", "b");
  const { metrics } = delivery;
  assert.equal((await metrics.queuedEvents.get()).values[0]?.value, 2);
  assert.equal((await metrics.queuedBytes.get()).values[0]?.value, 14);
  await delivery.clock.advance(2000);
  hold.release();
  await turn();
  assert.equal((await metrics.queuedEvents.get()).values[0]?.value, 0);
  assert.equal((await metrics.queuedBytes.get()).values[0]?.value, 0);
  assert.deepEqual((await metrics.events.get()).values, [{
    value: 2,
    labels: { type: "Konnektr.DigitalTwins.Twin.Update", sink: "Sink0", result: "delivered" },
  }]);
  const seconds = (await metrics.deliverySeconds.get()).values;
  assert.equal(seconds.find((value) => value.metricName?.endsWith("_sum"))?.value, 4);
});

Deno.test("a sink is not taken for stalled because somebody sets the clock", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  await using delivery = new Delivery([sink]);
  await delivery.start();
  await delivery.send("a");
  delivery.clock.jump(86_400_000);
  assert.equal(delivery.dispatcher.states()[0]?.state, "connected");
  delivery.clock.jump(-2 * 86_400_000);
  await delivery.clock.advance(61_000);
  assert.equal(delivery.dispatcher.states()[0]?.state, "stalled");
  hold.release();
  await turn();
});

Deno.test("a sink that leaves a delivery unanswered for a minute is not taken for connected", async () => {
  const sink = new ScriptedSink({ concurrency: 2 });
  const hold = sink.hold();
  await using delivery = new Delivery([sink]);
  const state = () => delivery.dispatcher.states()[0];
  await delivery.start();
  await delivery.send("a");
  const since = delivery.clock.now();
  await delivery.clock.advance(59_000);
  await delivery.send("b"); // which is answered
  assert.equal(state()?.state, "connected");
  await delivery.clock.advance(2_000);
  assert.equal(state()?.state, "stalled");
  assert.equal(state()?.since, since);
  assert.match(state()?.lastError ?? "", /no answer for 61 s/);
  hold.release();
  await turn();
  assert.equal(state()?.state, "connected");
  assert.equal(state()?.lastError, undefined);
});
