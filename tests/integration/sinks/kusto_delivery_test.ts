import assert from "node:assert/strict";
import { Dispatcher } from "../../../src/deliver/dispatcher.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type { Lsn } from "../../../src/postgres/lsn.ts";
import type { Sink } from "../../../src/sink/sink.ts";
import { DeadLetterRecords, LogRecords } from "../../support/delivery.ts";
import { property, twinCreated } from "../../support/history_events.ts";
import { KustoFarEnd } from "../../support/kusto_far_end.ts";
import type { KustoFault, KustoWay } from "../../support/kusto_service.ts";
import { routerEvent } from "../../support/router_events.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { until } from "../../support/until.ts";
import { withAzurite } from "../../support/with_azurite.ts";

const SEED = 20260104;
const EVENTS = 1_500;

const FAULTS: readonly KustoFault[] = [
  500,
  503,
  { status: 429, headers: { "retry-after": "0" } },
  { status: 400, error: { "@permanent": false } },
];

/** A dispatcher whose only sink is this one, which hardly pauses between its attempts. */
function dispatcherTo(
  sink: Sink,
  maxAttempts: number,
  onConfirmable: (lsn: Lsn) => void,
  deadLetters = new DeadLetterRecords(),
): Dispatcher {
  return new Dispatcher(
    [{
      name: "Adx",
      kind: "kusto",
      sink,
      maxBatchSize: 100,
      retry: { initial: 1, max: 10, maxAttempts },
      queue: { maxEvents: 300, maxBytes: 1 << 20 },
    }],
    { deadLetters, metrics: new Metrics(), log: new LogRecords(), onConfirmable },
  );
}

await withAzurite("kusto sinks that are disturbed", (azurite) => {
  for (const ingestion of ["queued", "streaming", "managed"] as const) {
    Deno.test(`kusto (${ingestion}) has every event, though everything fails now and then (seed ${SEED})`, async () => {
      const random = new SeededRandom(SEED);
      await using farEnd = await KustoFarEnd.start(azurite());
      const { service } = farEnd;
      const sink = farEnd.sink({
        ingestion,
        eventIdColumn: "EventId",
        maxBatchAge: "5ms",
        rawTable: undefined,
      });
      const deadLetters = new DeadLetterRecords();
      let confirmed = 0n;
      await using dispatcher = dispatcherTo(sink, 1_000, (lsn) => confirmed = lsn, deadLetters);
      dispatcher.start();
      const { signal } = new AbortController();
      const ids: string[] = [];
      for (let number = 1; number <= EVENTS; number++) {
        if (number % 30 === 0) {
          const ways: KustoWay[] = ["engine", "service", "stream", "blob", "queue", "token"];
          const way = random.pick(ways);
          // Whoever gives tokens says 400 for good.
          service.fail(way, random.pick(way === "token" ? FAULTS.slice(0, 3) : FAULTS));
        }
        if (number % 500 === 0) {
          await service.stop();
          service.start();
        }
        const twin = `twin-${random.below(20)}`;
        const { type, data } = random.below(4) === 0
          ? twinCreated(number, twin)
          : property(number, twin, "p", `${number}`);
        const event = routerEvent(twin, number, { type, data });
        ids.push(event.event.id);
        await dispatcher.room(signal);
        dispatcher.enqueue(event, [{ sink: 0, route: "history" }]);
        dispatcher.settle(BigInt(number));
      }
      await until(() => confirmed >= BigInt(EVENTS), () => `${EVENTS} to be confirmed, not ${confirmed}`);
      assert.deepEqual(deadLetters.ids, []);

      const rows = [
        ...await service.values("AdtTwinLifeCycleEvents"),
        ...await service.values("AdtPropertyEvents"),
      ];
      const arrived = new Set(rows.map(({ EventId }) => EventId));
      assert.deepEqual(ids.filter((id) => !arrived.has(id)), []);
      assert.equal(arrived.size, EVENTS);
      if (ingestion !== "streaming") return;
      const last = new Map<unknown, number>();
      for (const { Id, Value } of await service.values("AdtPropertyEvents")) {
        assert(Number(Value) > (last.get(Id) ?? 0), `the value ${Value} of ${Id} came after ${last.get(Id)}`);
        last.set(Id, Number(Value));
      }
    });
  }

  Deno.test("kusto whose principal loses its rights is down, and what it has not taken is not confirmed", async () => {
    await using farEnd = await KustoFarEnd.start(azurite());
    const sink = farEnd.sink({ ingestion: "streaming", rawTable: undefined });
    let confirmed = 0n;
    await using dispatcher = dispatcherTo(sink, 10, (lsn) => confirmed = lsn);
    const send = (number: number) => {
      const { type, data } = property(number, "t", "p", `${number}`);
      dispatcher.enqueue(routerEvent("t", number, { type, data }), [{ sink: 0, route: "history" }]);
      dispatcher.settle(BigInt(number));
    };
    dispatcher.start();
    send(1);
    await until(() => confirmed === 1n, "the first event to be confirmed");
    farEnd.service.revoked = true;
    send(2);
    await until(() => dispatcher.states()[0]?.state === "down", "the sink to be down");
    assert.equal(confirmed, 1n);
    assert.deepEqual((await farEnd.service.values("AdtPropertyEvents")).map(({ Value }) => Value), [1]);
  });
});
