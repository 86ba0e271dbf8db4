/**
 * What it costs to make events and say which sinks get them: one route with a filter of attributes beside a hundred, no
 * two alike.
 *
 *     deno bench bench/route.ts
 */
import { EventFactory } from "../src/event/event_factory.ts";
import { Filter } from "../src/route/filter/filter.ts";
import { type Route, type RoutedEvent, Router } from "../src/route/router.ts";
import { JsonText } from "../src/twin/json_text.ts";
import type { TwinChange } from "../src/twin/twin_change.ts";

/** Updates that are routed at once. */
const CHANGES = 1000;

/** Ways of asking for a room; the routes take them by turns. */
const FILTERS: Readonly<Record<string, readonly ((room: string) => string)[]>> = {
  "of a room each": [
    (room) => `subject = '${room}'`,
    (room) => `type = 'Konnektr.DigitalTwins.Twin.Update' AND subject = '${room}'`,
    (room) => `subject IN ['${room}', 'hall'] AND NOT ENDS_WITH(type, '.Delete')`,
  ],
  "by a prefix each": [
    (room) => `STARTS_WITH(subject, '${room}')`,
    (room) =>
      `type = 'Konnektr.DigitalTwins.Relationship.Create' AND STARTS_WITH(subject, '${room}/relationships/')`,
  ],
  "of every kind": [
    (room) => `subject = '${room}'`,
    (room) => `STARTS_WITH(subject, '${room}/relationships/')`,
    (room) => `type = 'Konnektr.DigitalTwins.Twin.Update' AND subject = '${room}'`,
    (room) => `type IN ['Konnektr.DigitalTwins.Twin.Create', '${room}'] OR ENDS_WITH(subject, '${room}')`,
    (room) => `NOT STARTS_WITH(type, 'Konnektr.') AND subject != '${room}'`,
  ],
};

const changes = Array.from({ length: CHANGES }, (_, row): TwinChange => ({
  kind: "change",
  entity: "twin",
  id: roomOf(row),
  action: "update",
  before: twin(row, 11),
  after: twin(row, 12),
  transaction: { xid: 1, commitLsn: 0x1F19EF0n, commitTime: 820_584_000_123_456n },
  position: { commitLsn: 0x1F19EF0n, ordinal: row },
  part: 0,
  graph: "digitaltwins",
  label: "Twin",
}));
const factory = new EventFactory({
  source: "https://your-adt-instance/",
  systemIdentifier: "7412345678901234567",
  database: "twins",
  severalGraphs: false,
});

function roomOf(row: number): string {
  return `room-${String(row).padStart(6, "0")}`;
}

/** A twin of about 300 bytes; one property, its time and the etag differ by `tick`. */
function twin(row: number, tick: number): JsonText {
  const time = `2026-01-01T12:00:${String(tick).padStart(2, "0")}.0000000Z`;
  return JsonText.parse(
    `{"$dtId": "${roomOf(row)}", "$etag": "W/\\"3f1c2d3e-${tick}-4bbb-8ccc\\"", "Humidity": 45, ` +
      `"$metadata": {"$model": "dtmi:example:Room;1", "Temperature": {"lastUpdateTime": "${time}"}, ` +
      `"$lastUpdateTime": "${time}"}, "occupied": true, "Temperature": ${20 + tick / 10}}`,
  );
}

/** Routes to four sinks, each with another filter. */
function routerOf(count: number, filters: readonly ((room: string) => string)[]): Router {
  const routes = Array.from({ length: count }, (_, index): Route => ({
    name: `route-${index}`,
    sink: index % 4,
    format: "EventNotification",
    includeMetadata: false,
    filter: new Filter(filters[index % filters.length]?.(roomOf(index)) ?? "true"),
  }));
  return new Router(routes, factory);
}

function run(router: Router): void {
  let targets = 0;
  const out = { push: (event: RoutedEvent) => targets += event.targets.length };
  for (const change of changes) router.route(change, out);
  if (targets === 0) throw new Error("Cannot compare: no event had a target");
}

for (const [group, filters] of Object.entries(FILTERS)) {
  for (const count of [1, 100]) {
    const router = routerOf(count, filters);
    const name = `${CHANGES} updates, ${count} route${count === 1 ? "" : "s"} ${group}`;
    Deno.bench(name, { group, baseline: count === 1 }, () => run(router));
  }
}
