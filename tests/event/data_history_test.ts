import assert from "node:assert/strict";
import { EventFactory, type EventFactoryOptions } from "../../src/event/event_factory.ts";
import { readEventId } from "../../src/event/event_id.ts";
import { JsonText } from "../../src/twin/json_text.ts";
import { Models } from "../../src/twin/models.ts";
import { madeEvents } from "../support/made_events.ts";
import {
  contains,
  deleted,
  inserted,
  Model,
  type Properties,
  type Step,
  transaction,
  truncated,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const room = "dtmi:example:Room;1";

const roomModel = {
  id: room,
  model: {
    "@id": room,
    "@type": "Interface",
    contents: [
      { "@type": "Property", name: "T", schema: "double" },
      { "@type": "Property", name: "state", schema: { "@type": "Enum", valueSchema: "string" } },
      { "@type": "Property", name: "tags", schema: { "@type": "Map" } },
      { "@type": "Component", name: "thermostat", schema: "dtmi:example:Thermostat;1" },
    ],
  },
};

const thermostatModel = {
  id: "dtmi:example:Thermostat;1",
  model: { "@type": "Interface", contents: [{ "@type": "Property", name: "Setpoint", schema: "float" }] },
};

function modelsOf(...bodies: readonly { readonly id: string }[]): Models {
  const models = new Models();
  for (const body of bodies) models.put("digitaltwins", body.id, JsonText.parse(JSON.stringify(body)));
  return models;
}

async function eventsOf(steps: readonly Step[], options: Partial<EventFactoryOptions> = {}) {
  const { items } = await twinOutcome(transaction(steps));
  const factory = new EventFactory({
    source: "https://twins.example/{graph}",
    systemIdentifier: "1",
    database: "twins",
    severalGraphs: false,
    ...options,
  });
  return madeEvents(factory, items, "DataHistory").map(({ event }) => event);
}

/** `Replace T 22.0 double @sourceTimeStamp by updatedBy`, `Create dtmi:…` */
async function told(steps: readonly Step[], options: Partial<EventFactoryOptions> = {}): Promise<string[]> {
  return (await eventsOf(steps, options)).map(({ type, data }) => {
    const body = JSON.parse(data);
    if (!type.endsWith("Property.Event")) return `${body.action} ${body.modelId}`;
    const value = JsonText.parse(data).get("propertyValue");
    return `${body.operation} ${body.propertyName} ${value} ${body.propertyType}` +
      `${"sourceTimeStamp" in body ? ` @${body.sourceTimeStamp}` : ""}${
        "updatedBy" in body ? ` by ${body.updatedBy}` : ""
      }`;
  });
}

/** A twin's update; `$dtId` is added. */
function toldOf(
  before: object,
  after: object,
  options: Partial<EventFactoryOptions> = {},
): Promise<string[]> {
  return told([updated(Twin, 1, { $dtId: "a", ...before }, { $dtId: "a", ...after })], options);
}

function twin(body: object, model = room): object {
  return { $dtId: "a", $metadata: { $model: model }, ...body };
}

Deno.test("a property's event says which twin, property and value, what happened, when, where, and by which model", async () => {
  const [, event] = await eventsOf([
    inserted(Twin, 1, '{"$dtId": "a", "T": 22.0, "$metadata": {"$model": "dtmi:m;1"}}'),
  ]);
  assert.equal(event?.type, "Konnektr.DigitalTwins.Property.Event");
  assert.equal(event?.subject, "a");
  assert.equal(
    event?.data,
    '{"twinId":"a","propertyName":"T","propertyValue":22.0,"propertyType":"double","operation":"Add",' +
      '"timeStamp":"2026-01-01T12:00:00.123456Z","serviceId":"https://twins.example/digitaltwins","modelId":"dtmi:m;1"}',
  );
});

Deno.test("a create is its lifecycle event and an Add for each property", async () => {
  assert.deepEqual(
    await told([inserted(Twin, 1, { ...twin({ n: 1, m: null }), $etag: "e", $lastUpdateTime: "t" })]),
    [
      `Create ${room}`,
      "Add n 1 integer",
      "Add m null null",
    ],
  );
  assert.deepEqual(await told([inserted(Twin, 1, { $dtId: "a" })]), ["Create undefined"]);
});

Deno.test("a change of model is a lifecycle Update before the properties that changed", async () => {
  assert.deepEqual(
    await toldOf(
      twin({ n: 1, gone: true, same: 1 }),
      twin({ same: 1, n: 2, more: 1 }, "dtmi:example:Room;2"),
    ),
    ["Update dtmi:example:Room;2", "Replace n 2 integer", "Add more 1 integer", "Remove gone null boolean"],
  );
  assert.deepEqual(await toldOf(twin({}), twin({}, "dtmi:example:Room;2")), ["Update dtmi:example:Room;2"]);
  assert.deepEqual(await toldOf({}, twin({})), [`Update ${room}`]);
  assert.deepEqual(await toldOf(twin({}), twin({})), []);
});

Deno.test("a delete is its lifecycle event only", async () => {
  assert.deepEqual(await told([deleted(Twin, 1, twin({ n: 1 }))]), [`Delete ${room}`]);
});

Deno.test("objects and arrays are one property with their whole new value", async () => {
  assert.deepEqual(
    await toldOf({ o: { a: { b: 1 }, c: 2 }, l: [1, 2], e: {} }, { o: { a: { b: 2 }, c: 2 }, l: [1], e: {} }),
    ['Replace o {"a":{"b":2},"c":2} object', "Replace l [1] array"],
  );
});

Deno.test("what is equal by value has not changed, and what has keeps its digits", async () => {
  const body = (number: string) => `{"$dtId": "a", "n": ${number}, "l": [${number}], "o": {"x": ${number}}}`;
  assert.deepEqual(await told([updated(Twin, 1, body("22"), body("2.20e1"))]), []);
  assert.deepEqual(await told([updated(Twin, 1, body("9007199254740992"), body("9007199254740993"))]), [
    "Replace n 9007199254740993 long",
    "Replace l [9007199254740993] array",
    'Replace o {"x": 9007199254740993} object',
  ]);
});

Deno.test("a component is opened, and comes and goes member by member", async () => {
  const component = (members: object) => ({ thermostat: { $metadata: {}, ...members } });
  assert.deepEqual(await toldOf({}, component({ Setpoint: 1, Mode: "a" })), [
    "Add thermostat.Setpoint 1 integer",
    'Add thermostat.Mode "a" string',
  ]);
  assert.deepEqual(await toldOf(component({ Setpoint: 1, Mode: "a" }), component({ Setpoint: 2, New: {} })), [
    "Replace thermostat.Setpoint 2 integer",
    "Add thermostat.New {} object",
    "Remove thermostat.Mode null string",
  ]);
  assert.deepEqual(await toldOf(component({ Setpoint: 1, Mode: "a" }), {}), [
    "Remove thermostat.Setpoint null integer",
    "Remove thermostat.Mode null string",
  ]);
  assert.deepEqual(await toldOf(component({ $etag: "1" }), component({ $etag: "2" })), []);
});

Deno.test("a component that becomes a plain value, and one that was one, are two properties", async () => {
  assert.deepEqual(await toldOf({ t: { $metadata: {}, x: 1 } }, { t: { x: 1 } }), [
    'Add t {"x":1} object',
    "Remove t.x null integer",
  ]);
  assert.deepEqual(await toldOf({ t: 7 }, { t: { $metadata: {}, x: 1 } }), [
    "Add t.x 1 integer",
    "Remove t null integer",
  ]);
});

const at = (time: number, more: object = {}) => ({ lastUpdateTime: `t${time}`, ...more });

Deno.test("a property that was written again with the same value is replaced by it", async () => {
  assert.deepEqual(
    await toldOf({ n: 1, m: 1, $metadata: { n: at(1), m: at(1) } }, {
      n: 1,
      m: 1,
      $metadata: { n: at(2), m: at(1) },
    }),
    ["Replace n 1 integer"],
  );
  // What was not known before tells of no second time.
  assert.deepEqual(await toldOf({ n: 1 }, { n: 1, $metadata: { n: at(2) } }), []);
  // Nor does what is said of nothing.
  assert.deepEqual(await toldOf({ $metadata: { n: at(1) } }, { $metadata: { n: at(2) } }), []);
});

Deno.test("a component that was written again unchanged gives one Replace for each member", async () => {
  const state = (outer: object, members: object = {}, inner: object = {}) => ({
    c: { $metadata: { $lastUpdateTime: JSON.stringify(outer), ...inner }, x: 1, y: [2], ...members },
    $metadata: { c: outer },
  });
  assert.deepEqual(await toldOf(state(at(1)), state(at(2))), [
    "Replace c.x 1 integer",
    "Replace c.y [2] array",
  ]);
  // Changed, it gives what changed.
  assert.deepEqual(await toldOf(state(at(1)), state(at(2), { x: 5 })), ["Replace c.x 5 integer"]);
  assert.deepEqual(await toldOf(state(at(1)), state(at(2), { z: 5 })), ["Add c.z 5 integer"]);
  // Its own metadata can say more exactly what was written.
  assert.deepEqual(
    await toldOf(state(at(1), {}, { x: at(1), y: at(1) }), state(at(1), {}, { x: at(2), y: at(1) })),
    ["Replace c.x 1 integer"],
  );
  assert.deepEqual(await toldOf(state(at(1)), state(at(1))), []);
});

Deno.test("relationships do not tell what was written again", async () => {
  const link = (time: number) => ({ $relationshipId: "r", $sourceId: "a", n: 1, $metadata: { n: at(time) } });
  assert.deepEqual(await told([updated(contains, 1, link(1), link(2))]), []);
});

Deno.test("a sourceTime is told when this change set or moved it", async () => {
  const state = (n: number, entry: object) => ({ n, $metadata: { n: entry } });
  const s = (sourceTime: unknown) => ({ sourceTime });
  const cases: readonly (readonly [object, object, readonly string[]])[] = [
    [state(1, {}), state(2, s("s1")), ["Replace n 2 integer @s1"]],
    [state(1, s("s1")), state(2, s("s2")), ["Replace n 2 integer @s2"]],
    [state(1, s("s1")), state(2, s("s1")), ["Replace n 2 integer"]],
    [state(1, s("s1")), state(2, {}), ["Replace n 2 integer"]],
    // Alone:
    [state(1, {}), state(1, s("s1")), ["Replace n 1 integer @s1"]],
    [state(1, s("s1")), state(1, s("s2")), ["Replace n 1 integer @s2"]],
    [state(1, s("s1")), state(1, {}), []],
    [{ n: 1 }, state(1, s("s1")), ["Replace n 1 integer @s1"]],
    [{ n: 1, $metadata: { n: "?" } }, state(1, s("s1")), ["Replace n 1 integer @s1"]],
    // Of a new property:
    [{}, state(1, s("s1")), ["Add n 1 integer @s1"]],
    // Of nothing:
    [{}, { $metadata: { n: s("s1") } }, []],
    // A property may have that name.
    [{ n: 1, $metadata: {} }, { n: 1, $metadata: { sourceTime: s("s1") } }, []],
  ];
  for (const [before, after, expected] of cases) assert.deepEqual(await toldOf(before, after), expected);
  assert.deepEqual(await told([inserted(Twin, 1, { $dtId: "a", ...state(1, s("s1")) })]), [
    "Create undefined",
    "Add n 1 integer @s1",
  ]);
});

Deno.test("in a component a property's own sourceTime counts, else the component's", async () => {
  const state = (x: number, outer?: string, inner?: string) => ({
    c: { $metadata: { ...(inner && { x: { sourceTime: inner } }) }, x, y: 1 },
    $metadata: { ...(outer && { c: { sourceTime: outer } }) },
  });
  const cases: readonly (readonly [object, object, readonly string[]])[] = [
    [state(1), state(2, "s1"), ["Replace c.x 2 integer @s1", "Replace c.y 1 integer @s1"]],
    [state(1), state(1, "s1"), ["Replace c.x 1 integer @s1", "Replace c.y 1 integer @s1"]],
    [state(1), state(2, undefined, "s1"), ["Replace c.x 2 integer @s1"]],
    [state(1), state(1, undefined, "s1"), ["Replace c.x 1 integer @s1"]],
    [state(1), state(2, "s1", "s2"), ["Replace c.x 2 integer @s2", "Replace c.y 1 integer @s1"]],
    [state(1, "s1", "s1"), state(2, "s2", "s1"), ["Replace c.x 2 integer", "Replace c.y 1 integer @s2"]],
    [state(1, "s1"), state(2, "s1"), ["Replace c.x 2 integer"]],
    [{}, state(1, "s1"), ["Add c.x 1 integer @s1", "Add c.y 1 integer @s1"]],
  ];
  for (const [before, after, expected] of cases) assert.deepEqual(await toldOf(before, after), expected);
});

Deno.test("a component's own metadata may have the component's sourceTime, or that of a property called so", async () => {
  const state = (sourceTime: unknown) => ({ c: { $metadata: { sourceTime }, x: 1, sourceTime: 1 } });
  assert.deepEqual(await toldOf(state("s1"), state("s2")), [
    "Replace c.x 1 integer @s2",
    "Replace c.sourceTime 1 integer @s2",
  ]);
  assert.deepEqual(await toldOf(state({ sourceTime: "s1" }), state({ sourceTime: "s2" })), [
    "Replace c.sourceTime 1 integer @s2",
  ]);
});

Deno.test("who updated a property is told when it is tracked, and this change wrote it", async () => {
  const state = (n: number, time: number, lastUpdatedBy?: string) => ({
    n,
    $metadata: { n: at(time, lastUpdatedBy ? { lastUpdatedBy } : {}) },
  });
  const tracked = { trackLastUpdatedBy: true };
  const replaced = async (before: object, after: object) => await toldOf(before, after, tracked);
  assert.deepEqual(await replaced(state(1, 1, "ann"), state(2, 2, "bob")), ["Replace n 2 integer by bob"]);
  assert.deepEqual(await replaced(state(1, 1, "ann"), state(2, 2, "ann")), ["Replace n 2 integer by ann"]);
  assert.deepEqual(await replaced(state(1, 1, "ann"), state(1, 2, "ann")), ["Replace n 1 integer by ann"]);
  // Written past the service, it is nobody's.
  assert.deepEqual(await replaced(state(1, 1, "ann"), state(2, 1, "ann")), ["Replace n 2 integer"]);
  assert.deepEqual(await replaced(state(1, 1), state(2, 2)), ["Replace n 2 integer"]);
  const component = (x: number, time: number) => ({
    c: { $metadata: {}, x, y: 1 },
    $metadata: { c: at(time, { lastUpdatedBy: "ann" }) },
  });
  assert.deepEqual(await replaced(component(1, 1), component(2, 2)), ["Replace c.x 2 integer by ann"]);
  assert.deepEqual(await toldOf(state(1, 1, "ann"), state(2, 2, "bob")), ["Replace n 2 integer"]);
});

Deno.test("a double that is written 22, then 22.5, then 22 is a double when its model is known", async () => {
  const written = (...values: readonly string[]) =>
    values.map((value, index): Step => {
      const body = (value: string) => `{"$dtId": "a", "T": ${value}, "$metadata": {"$model": "${room}"}}`;
      // Another row in between, so that they stay changes of their own.
      return index % 2 === 1
        ? inserted(Twin, 10 + index, { $dtId: `b${index}` })
        : updated(Twin, 1, body(values[index - 2] ?? "0"), body(value));
    });
  const steps = written("22", "", "22.5", "", "22");
  const ofT = (lines: readonly string[]) => lines.filter((line) => line.startsWith("Replace"));
  assert.deepEqual(ofT(await told(steps, { models: modelsOf(roomModel) })), [
    "Replace T 22 double",
    "Replace T 22.5 double",
    "Replace T 22 double",
  ]);
  assert.deepEqual(ofT(await told(steps)), [
    "Replace T 22 integer",
    "Replace T 22.5 double",
    "Replace T 22 integer",
  ]);
});

Deno.test("the model says the type of whatever it knows, in components too", async () => {
  const models = modelsOf(roomModel, thermostatModel);
  const body = twin({
    T: null,
    state: "on",
    tags: {},
    own: "x",
    thermostat: { $metadata: {}, Setpoint: 1, Mode: "a" },
  });
  assert.deepEqual(await told([inserted(Twin, 1, body)], { models }), [
    `Create ${room}`,
    "Add T null double",
    'Add state "on" enum',
    "Add tags {} map",
    'Add own "x" string',
    "Add thermostat.Setpoint 1 float",
    'Add thermostat.Mode "a" string',
  ]);
});

Deno.test("what was removed has the type that it had, by the model of then", async () => {
  const models = modelsOf(roomModel);
  assert.deepEqual(await toldOf(twin({ T: 1, n: 1 }), twin({}), { models }), [
    "Remove T null double",
    "Remove n null integer",
  ]);
  assert.deepEqual(await toldOf(twin({ T: 1 }), twin({}, "dtmi:other;1"), { models }), [
    "Update dtmi:other;1",
    "Remove T null double",
  ]);
});

Deno.test("without a model a type is what the value looks like", async () => {
  const values: readonly (readonly [string, string])[] = [
    ["true", "boolean"],
    ['"x"', "string"],
    ["0", "integer"],
    ["-0", "integer"],
    ["2147483647", "integer"],
    ["-2147483648", "integer"],
    ["2147483648", "long"],
    ["9223372036854775807", "long"],
    ["-9223372036854775808", "long"],
    ["9223372036854775808", "double"],
    ["123456789012345678901234567890", "double"],
    ["22.0", "double"],
    ["1e3", "double"],
    ["1E3", "double"],
    ["{}", "object"],
    ["[]", "array"],
    ["null", "null"],
  ];
  for (const [value, type] of values) {
    const [, line] = await told([inserted(Twin, 1, `{"$dtId": "a", "p": ${value}}`)]);
    assert.equal(line, `Add p ${value} ${type}`);
  }
});

Deno.test("relationships have a lifecycle, and properties that name it, its source and its target", async () => {
  const link = { $relationshipId: "r", $sourceId: "a", $targetId: "b", $relationshipName: "feeds", rate: 5 };
  const steps = (link: Properties & object) => [
    inserted(contains, 1, link),
    inserted(Twin, 9, { $dtId: "x" }),
    updated(contains, 1, link, { ...link, rate: 6 }),
    inserted(Twin, 10, { $dtId: "y" }),
    deleted(contains, 1, { ...link, rate: 6 }),
  ];
  const bodies = async (link: Properties & object) =>
    (await eventsOf(steps(link))).filter(({ subject }) => subject === "a/relationships/r")
      .map(({ type, data, partitionkey }) => {
        assert.equal(partitionkey, "a");
        const { timeStamp: _, serviceId: __, ...body } = JSON.parse(data);
        return [type.replace("Konnektr.DigitalTwins.", ""), body];
      });
  const lifecycle = (action: string) => [
    "Relationship.Lifecycle",
    { relationshipId: "r", action, name: "feeds", source: "a", target: "b" },
  ];
  const property = (operation: string, propertyValue: number, more: object = {}) => [
    "Property.Event",
    {
      twinId: "a",
      propertyName: "rate",
      propertyValue,
      propertyType: "integer",
      operation,
      relationshipId: "r",
      relationshipTarget: "b",
      ...more,
    },
  ];
  assert.deepEqual(await bodies(link), [
    lifecycle("Create"),
    property("Add", 5),
    property("Replace", 6),
    lifecycle("Delete"),
  ]);
  const modelled = { ...link, $metadata: { $model: "dtmi:feeds;1" } };
  assert.deepEqual((await bodies(modelled))[2], property("Replace", 6, { modelId: "dtmi:feeds;1" }));
  // A relationship's model is not its life.
  const other = { ...link, $metadata: { $model: "dtmi:feeds;2" } };
  assert.deepEqual(await eventsOf([updated(contains, 1, modelled, other)]), []);
  // The edge's label is its name, when nothing else is.
  const [bare] = await eventsOf([inserted(contains, 1, { $relationshipId: "r", $sourceId: "a" })]);
  assert.equal(JSON.parse(bare?.data ?? "").name, "contains");
});

Deno.test("an update without an old row adds each property and says nothing of life", async () => {
  const now = { ...twin({ n: 1, c: { $metadata: {}, x: 2 } }) };
  assert.deepEqual(await told([updated(Twin, 1, "unsent", now)]), ["Add n 1 integer", "Add c.x 2 integer"]);
});

Deno.test("models have no history; a gap is told", async () => {
  const steps = [
    inserted(Model, 1, roomModel),
    updated(Model, 2, roomModel, { ...roomModel, decommissioned: true }),
    deleted(Model, 3, roomModel),
    truncated(contains),
  ];
  const events = await eventsOf(steps);
  assert.deepEqual(events.map(({ type, subject }) => [type, subject]), [[
    "Konnektr.DigitalTwins.Router.Gap",
    "contains",
  ]]);
  assert.equal(JSON.parse(events[0]?.data ?? "").reason, "truncate");
});

Deno.test("a changed identity ends one history and begins another", async () => {
  const events = await eventsOf([updated(Twin, 1, twin({ n: 1 }), { ...twin({ n: 1 }), $dtId: "b" })]);
  assert.deepEqual(events.map(({ subject, data }) => `${subject} ${JSON.parse(data).action ?? "n"}`), [
    "a Delete",
    "b Create",
    "b n",
  ]);
  assert.deepEqual(events.map(({ id }) => readEventId(id)?.index), [0, 1, 2]);
});

Deno.test("of more events than can be numbered, the last says how many are missing", async () => {
  const properties = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, n]));
  const most = await eventsOf([inserted(Twin, 1, twin(properties(65_535)))]);
  assert.equal(most.length, 65_536);
  assert.equal(readEventId(most.at(-1)?.id ?? "")?.index, 65_535);
  assert.equal(JSON.parse(most.at(-1)?.data ?? "").propertyName, "p65534");
  const more = await eventsOf([inserted(Twin, 1, twin(properties(65_540)))]);
  assert.equal(more.length, 65_536);
  assert.equal(JSON.parse(more.at(-2)?.data ?? "").propertyName, "p65533");
  const gap = more.at(-1);
  assert.equal(gap?.type, "Konnektr.DigitalTwins.Router.Gap");
  assert.equal(readEventId(gap?.id ?? "")?.index, 65_535);
  const { reason, count } = JSON.parse(gap?.data ?? "");
  assert.deepEqual({ reason, count }, { reason: "too_many_events", count: 6 });
});

Deno.test("names that need escaping are escaped", async () => {
  const [created, added] = await eventsOf([inserted(Twin, 1, { $dtId: 'a"\\', 'p"\n': 1 })], {
    source: 'x"y',
  });
  assert.equal(JSON.parse(created?.data ?? "").twinId, 'a"\\');
  assert.deepEqual([JSON.parse(added?.data ?? "").propertyName, JSON.parse(added?.data ?? "").serviceId], [
    'p"\n',
    'x"y',
  ]);
});
