import assert from "node:assert/strict";
import { Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import { Hold, ScriptedSink, take } from "../support/scripted_sink.ts";

const never = new AbortController().signal;

function telemetry(n: number) {
  return { ...routerEvent("t", n), position: undefined };
}

function targets(...sinks: readonly number[]) {
  return sinks.map((sink) => ({ sink, route: `to-${sink}` }));
}

async function droppedBy({ metrics }: Delivery): Promise<Record<string, number>> {
  const { values } = await metrics.droppedEvents.get();
  return Object.fromEntries(values.map(({ labels, value }) => [`${labels.sink}`, value]));
}

Deno.test("an offered event is delivered, and no position waits for it", async () => {
  const sink = new ScriptedSink();
  const hold = new Hold();
  sink.deliveries.push(take, hold.delivery());
  await using delivery = new Delivery([sink]);
  const { dispatcher } = delivery;
  await delivery.start();
  await delivery.send("a");
  dispatcher.offer(telemetry(1), targets(0));
  await turn();
  dispatcher.settle(10n);
  assert.equal(dispatcher.confirmable, 10n);
  assert.equal(dispatcher.oldestCommittedAt, undefined);
  hold.release();
  await turn();
  assert.deepEqual(sink.takenIds, ["a-1", "t-1"]);
  await delivery.send("b");
  dispatcher.settle(20n);
  assert.deepEqual(delivery.confirmed, [10n, 20n]);
  assert.deepEqual(dispatcher.states().map(({ queuedEvents, queuedBytes }) => [queuedEvents, queuedBytes]), [
    [0, 0],
  ]);
});

Deno.test("offered events take no room from those that have a position, and are bounded themselves", async () => {
  const sink = new ScriptedSink();
  const hold = sink.hold();
  await using delivery = new Delivery([{ sink, queue: { maxEvents: 3, maxBytes: 1_000_000 } }]);
  const { dispatcher } = delivery;
  await delivery.start();
  for (let n = 1; n <= 12; n++) dispatcher.offer(telemetry(n), targets(0));
  assert.deepEqual(await droppedBy(delivery), { Sink0: 9 });
  for (let n = 0; n < 3; n++) {
    assert.equal(dispatcher.room(never), undefined);
    delivery.enqueue("a");
  }
  const room = dispatcher.room(never);
  assert(room, "what has a position has filled its share");
  hold.release();
  await room;
  await turn();
  assert.deepEqual(sink.takenIds, ["t-1", "t-2", "t-3", "a-1", "a-2", "a-3"]);
  dispatcher.offer(telemetry(13), targets(0));
  await turn();
  assert.equal(sink.takenIds.at(-1), "t-13");
});

Deno.test("bytes bound offers as events do", async () => {
  const sink = new ScriptedSink();
  sink.hold();
  await using delivery = new Delivery([{ sink, queue: { maxEvents: 100, maxBytes: 20 } }]);
  await delivery.start();
  for (let n = 1; n <= 9; n++) delivery.dispatcher.offer(telemetry(n), targets(0));
  // Of 7 bytes each; the third crosses the limit.
  assert.deepEqual(await droppedBy(delivery), { Sink0: 6 });
  assert.equal(delivery.dispatcher.room(never), undefined);
});

Deno.test("a full queue drops an offer for its sink alone, which is told with the 1st, 10th, 100th", async () => {
  const [full, free] = [new ScriptedSink(), new ScriptedSink()];
  full.hold();
  const queue = { maxEvents: 1, maxBytes: 1_000_000 };
  await using delivery = new Delivery([{ sink: full, queue }, { sink: free, queue }]);
  await delivery.start();
  await delivery.send("a");
  for (let n = 1; n <= 30; n++) {
    delivery.dispatcher.offer(telemetry(n), targets(0, 1));
    await turn();
  }
  assert.deepEqual(await droppedBy(delivery), { Sink0: 30 });
  assert.equal(free.takenIds.length, 31);
  const told = delivery.log.records.filter(({ message }) => message.includes("dropped"));
  assert.deepEqual(told.map(({ fields }) => fields), [
    { sink: "Sink0", route: "to-0", times: 1 },
    { sink: "Sink0", route: "to-0", times: 10 },
  ]);
});
