import assert from "node:assert/strict";
import fc from "fast-check";
import { EventFactory } from "../../src/event/event_factory.ts";
import { JsonText } from "../../src/twin/json_text.ts";
import {
  contains,
  deleted,
  inserted,
  type Step,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const seed = 20260102;

/** Numbers with the notation that tells their values apart. */
const NUMBERS: Readonly<Record<string, string>> = {
  "1": "1",
  "1.0": "1",
  "10e-1": "1",
  "2.5": "2.5",
  "9007199254740993": "9007199254740993",
  "9007199254740992": "9007199254740992",
};

const name = fc.constantFrom("a", "b", "c", "T", "é", 'q"', "sourceTime", "lastUpdateTime");
const scalar = fc.oneof(
  fc.constantFrom(...Object.keys(NUMBERS)),
  fc.constantFrom("true", "null", '""', '"x"', '"\\u00e9"', "NaN"),
);

function objectText(members: Readonly<Record<string, string>>): string {
  return `{${Object.entries(members).map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(", ")}}`;
}

const entry = fc.record({
  lastUpdateTime: fc.constantFrom('"t1"', '"t2"'),
  sourceTime: fc.constantFrom('"s1"', '"s2"'),
  lastUpdatedBy: fc.constantFrom('"ann"', '"bob"'),
}, { requiredKeys: [] }).map(objectText);
const metadata = fc.oneof(
  { arbitrary: fc.dictionary(name, entry, { maxKeys: 3 }).map(objectText), weight: 5 },
  {
    arbitrary: fc.constantFrom("7", "{}", '{"lastUpdateTime": "t1"}', '{"lastUpdateTime": "t2"}'),
    weight: 1,
  },
);
const component = fc.tuple(fc.dictionary(name, scalar, { maxKeys: 3 }), metadata)
  .map(([members, $metadata]) => objectText({ ...members, $metadata }));
const value = fc.oneof(
  { arbitrary: scalar, weight: 4 },
  { arbitrary: component, weight: 3 },
  { arbitrary: fc.dictionary(name, scalar, { maxKeys: 2 }).map(objectText), weight: 1 },
  { arbitrary: fc.array(scalar, { maxLength: 2 }).map((items) => `[${items.join(", ")}]`), weight: 1 },
);
const model = fc.constantFrom('{"$model": "dtmi:m;1"', '{"$model": "dtmi:m;2"');
const state = fc.tuple(fc.dictionary(name, value, { maxKeys: 4 }), model, metadata).map((
  [members, model, text],
) => ({
  ...members,
  $etag: '"e"',
  $metadata: text.startsWith("{") && text !== "{}" ? text.replace("{", `${model}, `) : `${model}}`,
}));

/** A row's states, one after the other; null where there is no row. */
const history = fc.array(fc.option(state, { freq: 5 }), { minLength: 1, maxLength: 6 });

type Properties = Map<string, unknown>;

/** A JSON value in which a number is a string that tells its exact value. */
function exactValue(text: JsonText): unknown {
  switch (text.kind) {
    case "object":
      return Object.fromEntries([...text.members()].map(([key, member]) => [key, exactValue(member)]));
    case "array":
      return text.items().map(exactValue);
    case "number":
      return `number ${NUMBERS[`${text}`]}`;
    default:
      return JSON.parse(`${text}`);
  }
}

/** By name, as the rows have them. */
function propertiesIn(body: Readonly<Record<string, string>>): Properties {
  const properties: Properties = new Map();
  for (const [key, written] of Object.entries(body)) {
    if (key.startsWith("$")) continue;
    const text = JsonText.parse(written === "NaN" ? '"NaN"' : written.replaceAll(/\bNaN\b/g, '"NaN"'));
    if (text.get("$metadata") === undefined) {
      properties.set(key, exactValue(text));
      continue;
    }
    for (const [inner, member] of text.members()) {
      if (inner !== "$metadata") properties.set(`${key}.${inner}`, exactValue(member));
    }
  }
  return properties;
}

for (const table of [Twin, contains]) {
  Deno.test(`the history alone rebuilds the properties of a ${table.name} row at every moment`, async () => {
    await fc.assert(
      fc.asyncProperty(history, async (states) => {
        const identity: Record<string, string> = table === Twin
          ? { $dtId: '"a"' }
          : { $relationshipId: '"r"', $sourceId: '"a"' };
        const factory = new EventFactory({
          source: "x",
          systemIdentifier: "1",
          database: "d",
          severalGraphs: false,
        });
        let rebuilt: { properties: Properties; modelId: unknown } | undefined;
        let row: string | undefined;
        const ids = new Set<string>();
        for (const [index, state] of states.entries()) {
          const now = state ? objectText({ ...identity, ...state }) : undefined;
          const steps: Step[] = [];
          if (row === undefined && now !== undefined) steps.push(inserted(table, 1, now));
          else if (row !== undefined && now !== undefined) steps.push(updated(table, 1, row, now));
          else if (row !== undefined) steps.push(deleted(table, 1, row));
          row = now;
          const { items } = await twinOutcome(transaction(steps, { commitLsn: BigInt(index + 1) }));
          for (const item of items) {
            if (item.kind === "settle" || item.kind === "snapshot") continue;
            for (const { event } of factory.eventsOf(item, "DataHistory")) {
              assert(!ids.has(event.id));
              ids.add(event.id);
              const text = JsonText.parse(event.data);
              const body = JSON.parse(event.data);
              if (!event.type.endsWith("Property.Event")) {
                assert.equal(body.action === "Create", rebuilt === undefined);
                rebuilt = body.action === "Delete"
                  ? undefined
                  : { properties: rebuilt?.properties ?? new Map(), modelId: body.modelId };
                continue;
              }
              const { propertyName, operation } = body;
              assert(rebuilt, "a property of nobody");
              // What is added was not there, and what is replaced or removed was.
              assert.equal(rebuilt.properties.has(propertyName), operation !== "Add");
              const propertyValue = text.get("propertyValue");
              if (operation === "Remove") {
                assert.equal(`${propertyValue}`, "null");
                rebuilt.properties.delete(propertyName);
              } else if (propertyValue) rebuilt.properties.set(propertyName, exactValue(propertyValue));
            }
          }
          assert.deepEqual(rebuilt?.properties, state ? propertiesIn(state) : undefined);
          const modelId = state && /"\$model": "(.*?)"/.exec(state.$metadata)?.[1];
          if (table === Twin) assert.equal(rebuilt?.modelId, modelId ?? undefined);
        }
      }),
      { seed, numRuns: 2_000 },
    );
  });
}
