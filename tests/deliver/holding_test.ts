import assert from "node:assert/strict";
import { BEGINNING, Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import { retryable, ScriptedSink, throwing } from "../support/scripted_sink.ts";

Deno.test("nothing is sent, nor tried again, while it may not be; the sink is connected all the same", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  let mayDeliver = true;
  await using delivery = new Delivery([sink], { mayDeliver: () => mayDeliver });
  const { dispatcher } = delivery;
  await delivery.start();
  await delivery.send("a", "b");
  mayDeliver = false;
  await delivery.send("c");
  hold.release();
  await delivery.clock.advance(60_000);
  assert.deepEqual(sink.takenIds, ["a-1", "b-2"]);
  assert.equal(dispatcher.states()[0]?.state, "connected");
  mayDeliver = true;
  dispatcher.reconsider();
  await turn();
  assert.deepEqual(sink.takenIds, ["a-1", "b-2", "c-3"]);
});

Deno.test("a stop does not wait for what may not be sent", async () => {
  const sink = new ScriptedSink();
  await using delivery = new Delivery([sink], { mayDeliver: () => false });
  await delivery.start();
  await delivery.send("a");
  await delivery.dispatcher.drain(new AbortController().signal);
  assert.deepEqual(sink.takenIds, []);
});

Deno.test("what somebody else has settled is left out and counts as settled, and the rest of a key goes in order", async () => {
  const sink = new ScriptedSink();
  let mayDeliver = false;
  await using delivery = new Delivery([sink], { mayDeliver: () => mayDeliver });
  const { dispatcher } = delivery;
  await delivery.start();
  await delivery.send("a", "b", "a", "a");
  dispatcher.settle(5n);
  await delivery.send("a");
  dispatcher.settle(6n);
  mayDeliver = true;
  await dispatcher.resume({ ...BEGINNING, confirmed: 4n });
  await turn();
  assert.deepEqual(sink.takenIds, ["a-4", "a-5"]);
  assert.equal(dispatcher.confirmable, 6n);
  assert.deepEqual(dispatcher.states().map(({ queuedEvents }) => queuedEvents), [0]);
  await dispatcher.resume({ ...BEGINNING, sameTimelineAsBefore: false });
  await delivery.send("c");
  assert.deepEqual(sink.takenIds, ["a-4", "a-5", "c-6"]);
});

Deno.test("a sink in an outage whose last events somebody else has settled is found to be back all the same", async () => {
  const sink = new ScriptedSink();
  sink.deliveries.push(throwing(retryable()));
  let mayDeliver = true;
  await using delivery = new Delivery([sink], { mayDeliver: () => mayDeliver });
  const { dispatcher } = delivery;
  await delivery.start();
  await delivery.send("a", "b");
  mayDeliver = false;
  await delivery.clock.advance(1_000);
  mayDeliver = true;
  sink.connection = throwing(retryable()) as () => Promise<never>;
  await dispatcher.resume({ ...BEGINNING, confirmed: 9n });
  await delivery.clock.advance(60_000);
  assert.equal(dispatcher.states()[0]?.state, "retrying", "it is not reached");
  sink.connection = () => Promise.resolve();
  await delivery.clock.advance(30_000);
  assert.equal(dispatcher.states()[0]?.state, "connected");
  assert.deepEqual([sink.takenIds, sink.breaches], [[], []]);
});
