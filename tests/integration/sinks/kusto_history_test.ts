import assert from "node:assert/strict";
import type { CloudEvent } from "../../../src/event/cloud_event.ts";
import { dialectOf } from "../../../src/event/dialect.ts";
import { EventFactory } from "../../../src/event/event_factory.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type { TwinItem } from "../../../src/twin/twin_change.ts";
import { TwinChanges } from "../../../src/twin/twin_changes.ts";
import { graphAt } from "../../support/history_queries.ts";
import { KustoFarEnd } from "../../support/kusto_far_end.ts";
import { LogRecorder } from "../../support/log_recorder.ts";
import { type GraphState, RandomHistory } from "../../support/random_history.ts";
import { transaction } from "../../support/replicated_builder.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { withAzurite } from "../../support/with_azurite.ts";

const SEED = 20260103;
const CHANGES = 10_000;
const BATCH = 5_000;

/** What the changes of a random history become, and what was there at some of the times. */
function randomEvents(preset: "adt" | undefined) {
  const random = new SeededRandom(SEED);
  const history = new RandomHistory(random);
  const twins = new TwinChanges({ metrics: new Metrics(), log: new LogRecorder() });
  const factory = new EventFactory({
    source: "https://twins.example.com/{graph}",
    systemIdentifier: "1",
    database: "d",
    severalGraphs: false,
  });
  const options = { includeMetadata: false, dialect: dialectOf(preset) };
  const events: CloudEvent[] = [];
  const known: { readonly at: string; readonly state: GraphState }[] = [];
  for (let changes = 0, number = 1; changes < CHANGES; number++) {
    const steps = history.change(1 + random.below(5));
    changes += steps.length;
    const commitTime = 820_584_000_000_000n + BigInt(number) * 1_234_567n;
    const items: TwinItem[] = [];
    for (const item of transaction(steps, { commitLsn: BigInt(number) * 0x100n, commitTime })) {
      twins.push(item, items);
    }
    for (const item of items) {
      if (item.kind === "change") {
        events.push(...factory.eventsOf(item, "DataHistory", options).map(({ event }) => event));
      }
    }
    if (number % 50 === 0) {
      known.push({ at: JSON.parse(events.at(-1)?.data ?? "").timeStamp, state: history.state() });
    }
  }
  return { events, known };
}

await withAzurite("the queries that data history is for", (azurite) => {
  for (const preset of [undefined, "adt"] as const) {
    Deno.test(
      `rows in Kusto tell the graph, and each property's value, at any time (seed ${SEED}, ${
        preset ?? "own"
      } bodies)`,
      async () => {
        const { events, known } = randomEvents(preset);
        await using farEnd = await KustoFarEnd.start(azurite());
        await using sink = farEnd.sink({ rawTable: undefined });
        const { signal } = new AbortController();
        await sink.connect(signal);
        for (let first = 0; first < events.length; first += BATCH) {
          assert.deepEqual(await sink.deliver(events.slice(first, first + BATCH), signal), []);
        }
        const tables = {
          twins: await farEnd.service.values("AdtTwinLifeCycleEvents"),
          relationships: await farEnd.service.values("AdtRelationshipLifeCycleEvents"),
          properties: await farEnd.service.values("AdtPropertyEvents"),
        };
        const { twins, relationships, properties } = tables;
        assert.equal(twins.length + relationships.length + properties.length, events.length);
        assert(known.length > 50);
        for (const { at, state } of known) assert.deepEqual(graphAt(at, tables), state, at);
      },
    );
  }
});
