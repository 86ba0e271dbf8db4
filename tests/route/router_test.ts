import assert from "node:assert/strict";
import { dialectOf } from "../../src/event/dialect.ts";
import { EventFactory } from "../../src/event/event_factory.ts";
import { CesqlFilter } from "../../src/route/cesql/cesql_filter.ts";
import { Filter } from "../../src/route/filter/filter.ts";
import { type Route, type RoutedEvent, Router } from "../../src/route/router.ts";
import { SnapshotRestrictions } from "../../src/route/snapshot_restrictions.ts";
import type { SnapshotOrigin, TwinChange } from "../../src/twin/twin_change.ts";
import {
  deleted,
  inserted,
  Model,
  type Step,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const factory = new EventFactory({
  source: "https://your-adt-instance/",
  systemIdentifier: "7412345678901234567",
  database: "twins",
  severalGraphs: false,
});

function route(name: string, sink: number, filter?: string, includeMetadata = false): Route {
  return {
    name,
    sink,
    format: "EventNotification",
    includeMetadata,
    ...(filter !== undefined && { filter: new Filter(filter) }),
  };
}

async function changesOf(...steps: readonly Step[]): Promise<readonly TwinChange[]> {
  const { items } = await twinOutcome(transaction(steps));
  return items.filter((item) => item.kind === "change");
}

/** `<subject>: <sink>/<route> ...` of each event that somebody gets. */
function routed(router: Router, changes: readonly TwinChange[]): readonly string[] {
  const out: RoutedEvent[] = [];
  for (const change of changes) router.route(change, out);
  return out.map(({ event: { event }, targets }) =>
    `${event.subject}: ${targets.map(({ sink, route }) => `${sink}/${route}`).join(" ")}`
  );
}

function room(id: string, T: number, time = "2026-01-01T12:00:00Z") {
  return { $dtId: id, T, $metadata: { $model: "dtmi:example:Room;1", $lastUpdateTime: time } };
}

Deno.test("an event goes where a route wants it", async () => {
  const changes = await changesOf(
    inserted(Twin, 1, room("a", 1)),
    inserted(Twin, 2, room("b", 2)),
    updated(Twin, 3, room("c", 1), room("c", 30)),
    deleted(Twin, 4, room("d", 4)),
  );
  const router = new Router([
    route("all", 0),
    route("warm", 1, "$body.T > 1 OR $body.patch.value > 1"),
    route("b", 2, "subject = 'b'"),
    route("none", 3, "false"),
    route("deletes", 4, "ENDS_WITH(type, '.Delete')"),
  ], factory);
  assert.deepEqual(routed(router, changes), [
    "a: 0/all",
    "b: 0/all 1/warm 2/b",
    "c: 0/all 1/warm",
    "d: 0/all 1/warm 4/deletes",
  ]);
});

Deno.test("routes of both filter languages stand side by side", async () => {
  const changes = await changesOf(
    inserted(Twin, 1, room("a", 1)),
    inserted(Twin, 2, room("b", 2)),
    inserted(Twin, 3, room("c", 3)),
  );
  const cesql = (name: string, sink: number, text: string) => ({
    ...route(name, sink),
    filter: new CesqlFilter(text),
  });
  const router = new Router([
    route("a", 0, "subject = 'a'"),
    cesql("b", 1, "subject = 'b' AND type LIKE '%.Create'"),
    cesql("ab", 2, "subject IN ('a', 'b') AND NOT EXISTS dataschema"),
    cesql("missing", 3, "dataschema = 'x' OR TRUE"),
  ], factory);
  assert.deepEqual(routed(router, changes), ["a: 0/a 2/ab", "b: 1/b 2/ab"]);
});

Deno.test("an event that no route wants goes nowhere", async () => {
  const router = new Router([route("x", 0, "subject = 'x'"), route("y", 1, "$body.T = 7")], factory);
  assert.deepEqual(routed(router, await changesOf(inserted(Twin, 1, room("a", 1)))), []);
  assert.deepEqual(routed(new Router([], factory), await changesOf(inserted(Twin, 1, room("a", 1)))), []);
});

Deno.test("of several routes of a sink the first that matches wins, and the sink gets the event once", async () => {
  const changes = await changesOf(...["a", "b", "c"].map((id, row) => inserted(Twin, row, room(id, row))));
  const router = new Router([
    route("a", 0, "subject = 'a'"),
    route("early", 0, "subject IN ['a', 'b']"),
    route("other", 1, "subject = 'b'"),
    route("rest", 0),
    route("late", 0, "true"),
  ], factory);
  assert.deepEqual(routed(router, changes), ["a: 0/a", "b: 0/early 1/other", "c: 0/rest"]);
});

Deno.test("the first of several routes wins with its own rendering of the event", async () => {
  const changes = await changesOf(
    updated(Twin, 1, room("a", 1), room("a", 2, "2026-01-01T13:00:00Z")),
    updated(Twin, 2, room("b", 1), room("b", 2, "2026-01-01T13:00:00Z")),
    // Only metadata: the rendering without it has nothing to say.
    updated(Twin, 3, room("a", 1), room("a", 1, "2026-01-01T14:00:00Z")),
    updated(Twin, 4, room("c", 1), room("c", 1, "2026-01-01T14:00:00Z")),
  );
  const out: RoutedEvent[] = [];
  const router = new Router(
    [route("brief", 0, "subject = 'a'"), route("full", 0, "subject != 'c'", true)],
    factory,
  );
  for (const change of changes) router.route(change, out);
  assert.deepEqual(
    out.map(({ event: { event }, targets }) => [
      event.subject,
      targets.map(({ route }) => route),
      event.data.includes("$lastUpdateTime"),
    ]),
    [["a", ["brief"], false], ["b", ["full"], true], ["a", ["full"], true]],
  );
});

Deno.test("filters learn from the hierarchy of models what it knows at the time", async () => {
  const known = new Set<string>();
  const models = {
    isOfModel: (graph: string, model: string, ancestor: string) => known.has(`${graph} ${model} ${ancestor}`),
  };
  const router = new Router([route("spaces", 0, "IS_OF_MODEL('dtmi:example:Space;1')")], factory, models);
  const changes = await changesOf(
    inserted(Twin, 1, room("a", 1)),
    inserted(Model, 2, { id: "dtmi:example:Space;1", model: {} }),
  );
  assert.deepEqual(routed(router, changes), []);
  known.add("digitaltwins dtmi:example:Room;1 dtmi:example:Space;1");
  assert.deepEqual(routed(router, changes), ["a: 0/spaces"]);
});

Deno.test("filters see the types that their route emits", async () => {
  const changes = await changesOf(updated(Twin, 1, room("a", 1), room("a", 2)));
  const filters = {
    own: "type = 'Konnektr.DigitalTwins.Twin.Update'",
    adt: "type = 'Microsoft.DigitalTwins.Twin.Update' AND source = 'your-adt-instance'",
    contoso: "STARTS_WITH(type, 'Contoso.')",
  };
  const dialects = {
    own: dialectOf(),
    adt: dialectOf("adt"),
    contoso: dialectOf({ TwinUpdate: "Contoso.Changed" }),
  };
  const names = ["own", "adt", "contoso"] as const;
  // Every filter with every dialect, each to a sink of its own.
  const pairs = names.flatMap((dialect) => names.map((filter) => ({ dialect, filter })));
  const router = new Router(
    pairs.map(({ dialect, filter }, sink) => ({
      ...route(`${dialect}-${filter}`, sink, filters[filter]),
      dialect: dialects[dialect],
    })),
    factory,
  );
  const out: RoutedEvent[] = [];
  for (const change of changes) router.route(change, out);
  assert.deepEqual(out.map(({ event, targets }) => [event.event.type, targets.map(({ route }) => route)]), [
    ["Konnektr.DigitalTwins.Twin.Update", ["own-own"]],
    ["Microsoft.DigitalTwins.Twin.Update", ["adt-adt"]],
    ["Contoso.Changed", ["contoso-contoso"]],
  ]);
});

Deno.test("a sink gets an event once, though its routes tell it differently", async () => {
  const changes = await changesOf(inserted(Twin, 1, room("a", 1)), inserted(Twin, 2, room("b", 2)));
  const router = new Router([
    { ...route("adt", 0, "subject = 'a'"), dialect: dialectOf("adt") },
    { ...route("contoso", 0), dialect: dialectOf({ TwinCreate: "Contoso.Made" }) },
    route("own", 0),
  ], factory);
  assert.deepEqual(routed(router, changes), ["a: 0/adt", "b: 0/contoso"]);
});

Deno.test("routes that want a change told alike share its event", async () => {
  const changes = await changesOf(inserted(Twin, 1, room("a", 1)));
  const router = new Router([
    { ...route("one", 0), dialect: dialectOf({ TwinCreate: "Contoso.Made", Gap: "Hole" }) },
    { ...route("two", 1), dialect: dialectOf({ Gap: "Hole", TwinCreate: "Contoso.Made" }) },
    { ...route("three", 2), dialect: dialectOf() },
    route("four", 3),
  ], factory);
  assert.deepEqual(routed(router, changes), ["a: 0/one 1/two", "a: 2/three 3/four"]);
});

Deno.test("of a snapshot each sink gets what was asked for it", async () => {
  const [a, b] = await changesOf(inserted(Twin, 1, room("a", 1)), inserted(Twin, 2, room("b", 2)));
  assert(a && b);
  const router = new Router([route("all", 0), route("high", 1, "$body.T > 1"), route("rest", 1)], factory);
  const restrictions = new SnapshotRestrictions(["One", "Two"]);
  const told = (asked: Omit<SnapshotOrigin, "id">) => {
    const snapshot = { id: JSON.stringify(asked), ...asked };
    const out: RoutedEvent[] = [];
    for (const row of [a, b]) router.route({ ...row, snapshot }, out, restrictions.of(snapshot));
    return out.map(({ event: { event }, targets }) =>
      `${event.subject}: ${targets.map(({ sink, route }) => `${sink}/${route}`).join(" ")}`
    );
  };
  assert.deepEqual(told({}), ["a: 0/all 1/rest", "b: 0/all 1/high"]);
  assert.deepEqual(told({ sink: "Two" }), ["a: 1/rest", "b: 1/high"]);
  assert.deepEqual(told({ filter: "subject = 'b' AND snapshot = true" }), ["b: 0/all 1/high"]);
  assert.deepEqual(told({ sink: "gone" }), []);

  assert.equal(restrictions.refusal({ sink: "One", filter: "true" }), undefined);
  assert.equal(restrictions.refusal({ sink: "Three" }), "no sink has the name Three");
  assert.match(restrictions.refusal({ filter: "type =" }) ?? "", /^Cannot read the filter at column 7/);
});
