import assert from "node:assert/strict";
import { dialectOf } from "../../src/event/dialect.ts";
import { EventFactory } from "../../src/event/event_factory.ts";
import { Filter } from "../../src/route/filter/filter.ts";
import { type RoutedEvent, Router } from "../../src/route/router.ts";
import { ADT_EVENTS, ADT_FILTERS, ADT_INSTANCE, type AdtEventName } from "../support/adt_filters.ts";
import {
  contains,
  deleted,
  edgeColumns,
  inserted,
  message,
  type Step,
  table,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const feeds = table("digitaltwins", "feeds", edgeColumns);

function bodyOf(name: AdtEventName): string {
  return ADT_EVENTS[name].body ?? "";
}

/** A twin with what `before` and `now` say of it. */
function changed(id: string, model: string, before: object, now: object): Step {
  const twin = { $dtId: id, $metadata: { $model: model } };
  return updated(Twin, 1, { ...twin, ...before }, { ...twin, ...now });
}

/** What happens to the rows so that a service of Azure Digital Twins would tell these of its events. */
const HAPPENINGS: Partial<Record<AdtEventName, Step>> = {
  created: inserted(Twin, 1, bodyOf("created")),
  updated: changed(
    "room1",
    "dtmi:example:com:floor4;2",
    { humidity: 39, temperature: 22 },
    { humidity: 40, temperature: 22.5 },
  ),
  device: changed("device1", "dtmi:sample:genpropchanges:Device;1", { humidity: 1 }, { Temperature: 1 }),
  valve: changed("valve1", "dtmi:sample:aqueduct:device:valve;1", { open: true }, { open: false }),
  deleted: deleted(Twin, 1, bodyOf("deleted")),
  feeds: inserted(feeds, 1, bodyOf("feeds")),
  contains: inserted(contains, 1, bodyOf("contains")),
  unlinked: deleted(feeds, 1, bodyOf("unlinked")),
  telemetry: message(
    "digitaltwins_telemetry",
    JSON.stringify({
      digitalTwinId: "room1",
      messageId: "m-1",
      graphName: "digitaltwins",
      componentName: "comp1.comp2",
      modelId: "dtmi:example:com:floor4;2",
      telemetry: JSON.parse(bodyOf("telemetry")),
    }),
  ),
};

/** Of each filter the events that its route gave to its sink. */
async function routedBy(filters: readonly string[]): Promise<readonly (readonly AdtEventName[])[]> {
  const factory = new EventFactory({
    source: `https://${ADT_INSTANCE}/`,
    systemIdentifier: "1",
    database: "twins",
    severalGraphs: false,
  });
  const router = new Router(
    filters.flatMap((filter, sink) =>
      (["EventNotification", "Telemetry"] as const).map((format) => ({
        name: filter,
        sink,
        format,
        includeMetadata: false,
        dialect: dialectOf("adt"),
        filter: new Filter(filter),
      }))
    ),
    factory,
  );
  const received = filters.map((): AdtEventName[] => []);
  for (const [name, step] of Object.entries(HAPPENINGS)) {
    const { items } = await twinOutcome(transaction([step]));
    const out: RoutedEvent[] = [];
    for (const item of items) if (item.kind !== "settle" && item.kind !== "snapshot") router.route(item, out);
    for (const { targets } of out) for (const { sink } of targets) received[sink]?.push(name as AdtEventName);
  }
  return received;
}

Deno.test("under the preset adt the filters of Azure Digital Twins get the events that they got there", async () => {
  const received = await routedBy(ADT_FILTERS.map(([filter]) => filter));
  for (const [index, [filter, matching]] of ADT_FILTERS.entries()) {
    assert.deepEqual(received[index], matching.filter((name) => name in HAPPENINGS), filter);
  }
});
