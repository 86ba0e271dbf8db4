/**
 * What the dispatcher itself costs for each event: a sink that takes everything at once, batches of 1000.
 *
 *     deno bench --allow-env bench/dispatch.ts
 *
 * One iteration is 10,000 events, so 100 µs of it are 10 ns of an event.
 */
import { Dispatcher } from "../src/deliver/dispatcher.ts";
import { Metrics } from "../src/observe/metrics.ts";
import type { RouterEvent } from "../src/event/cloud_event.ts";

const EVENTS = 10_000;
const BATCH = 1000;

function events(keys: number): RouterEvent[] {
  return Array.from({ length: EVENTS }, (_, n) => ({
    event: {
      id: `0193-${n}`,
      type: "Konnektr.DigitalTwins.Twin.Update",
      source: "postgresql://localhost/twins/digitaltwins",
      subject: `room-${n % keys}`,
      time: "2026-01-01T12:00:00.123456Z",
      datacontenttype: "application/json",
      partitionkey: `room-${n % keys}`,
      sequence: n.toString(16).padStart(16, "0"),
      data: JSON.stringify({ modelId: "dtmi:example:Room;1", patch: [], pad: "x".repeat(300), n }),
    },
    graph: "digitaltwins",
    format: "EventNotification",
    position: { commitLsn: BigInt(n), ordinal: 0 },
    committedAt: Date.now(),
  }));
}

function bench(name: string, sinks: number, keys: number, concurrency: number): void {
  const input = events(keys);
  const targets = Array.from({ length: sinks }, (_, sink) => ({ sink, route: "r" }));
  Deno.bench(name, async (run) => {
    const settings = targets.map(({ sink }) => ({
      name: `Null${sink}`,
      kind: "null",
      sink: {
        batch: { concurrency },
        connect: () => Promise.resolve(),
        deliver: () => Promise.resolve([]),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      },
      maxBatchSize: BATCH,
      retry: { initial: 200, max: 30_000, maxAttempts: 10 },
      queue: { maxEvents: EVENTS, maxBytes: Infinity },
    }));
    const done = Promise.withResolvers<void>();
    await using dispatcher = new Dispatcher(settings, {
      deadLetters: { write: () => Promise.resolve(undefined) },
      metrics: new Metrics(),
      onConfirmable: (lsn) => lsn === BigInt(EVENTS) && done.resolve(),
    });
    dispatcher.start();
    await Promise.resolve();
    run.start();
    for (let n = 0; n < EVENTS; n++) {
      const event = input[n];
      if (event === undefined) break;
      dispatcher.enqueue(event, targets);
      dispatcher.settle(BigInt(n + 1)); // each event is a transaction of its own
      if (n % BATCH === BATCH - 1) await Promise.resolve();
    }
    await done.promise;
    run.end();
  });
}

bench("1 sink, 1000 keys", 1, 1000, 1);
bench("1 sink, 10,000 keys", 1, 10_000, 1);
bench("1 sink, 10 keys, 4 batches at once", 1, 10, 4);
bench("3 sinks, 1000 keys", 3, 1000, 1);
