import assert from "node:assert/strict";
import { JsonText } from "../../src/twin/json_text.ts";
import { Models, type PropertyPath } from "../../src/twin/models.ts";
import { readModels } from "../../src/twin/read_models.ts";
import { LogRecorder } from "../support/log_recorder.ts";
import {
  deleted,
  inserted,
  Model,
  table,
  transaction,
  truncated,
  Twin,
  updated,
  vertexColumns,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const graph = "digitaltwins";

function known(definitions: Readonly<Record<string, object>>, more: object = {}) {
  const log = new LogRecorder();
  const models = new Models(log);
  for (const [id, model] of Object.entries(definitions)) {
    models.put(graph, id, JsonText.parse(JSON.stringify({ id, model: { "@id": id, ...model }, ...more })));
  }
  return { models, log };
}

function interfaceOf(contents: unknown, more: object = {}) {
  return { "@type": "Interface", "@context": "dtmi:dtdl:context;3", contents, ...more };
}

function property(name: string, schema: unknown, type: unknown = "Property") {
  return { "@type": type, name, schema };
}

function typesIn(models: Models, model: string, ...paths: readonly PropertyPath[]) {
  return paths.map((path) => models.schemaOf(graph, model, path));
}

Deno.test("every primitive schema is called by its name, in each version and by term or DTMI", () => {
  const first = [
    "boolean",
    "date",
    "dateTime",
    "double",
    "duration",
    "float",
    "integer",
    "long",
    "string",
    "time",
  ];
  const fourth = ["byte", "bytes", "decimal", "short", "unsignedByte", "unsignedInteger", "unsignedLong"];
  const names = [...first, ...fourth, "unsignedShort", "uuid"];
  const { models, log } = known({
    "dtmi:terms;1": interfaceOf(names.map((name) => property(`a_${name}`, name))),
    "dtmi:iris;1": interfaceOf(
      names.map((name) => property(`a_${name}`, `dtmi:dtdl:instance:Schema:${name};2`)),
    ),
  });
  for (const name of names) {
    assert.equal(models.schemaOf(graph, "dtmi:terms;1", [`a_${name}`]), name);
    assert.equal(models.schemaOf(graph, "dtmi:iris;1", [`a_${name}`]), name);
  }
  assert.deepEqual(log.lines, []);
});

Deno.test("complex schemas are called by their kind, inline, named, and where the language has names for them", () => {
  const array = { "@type": "Array", elementSchema: "double" };
  const { models, log } = known({
    "dtmi:m;1": interfaceOf([
      property("anEnum", {
        "@type": "Enum",
        valueSchema: "integer",
        enumValues: [{ name: "a", enumValue: 1 }],
      }),
      property("anObject", { "@type": "Object", fields: [{ name: "x", schema: "double" }] }),
      property("aMap", { "@type": ["Map"], mapKey: { name: "k", schema: "string" } }),
      property("anArray", { ...array, "@id": "dtmi:m:inline;1" }),
      property("byReference", "dtmi:m:named;1"),
      property("byObject", { "@id": "dtmi:m:named;1" }),
      property("byInlineReference", "dtmi:m:inline;1"),
      property("byIriType", { "@type": "dtmi:dtdl:class:Map;3" }),
      property("aPoint", "point"),
      property("aLine", "dtmi:standard:schema:geospatial:lineString;4"),
      property("scaled", "scaledDecimal"),
    ], { schemas: { "@id": "dtmi:m:named;1", "@type": "Enum" } }),
  });
  assert.deepEqual(
    typesIn(
      models,
      "dtmi:m;1",
      ["anEnum"],
      ["anObject"],
      ["aMap"],
      ["anArray"],
      ["byReference"],
      ["byObject"],
      ["byInlineReference"],
      ["byIriType"],
      ["aPoint"],
      ["aLine"],
      ["scaled"],
    ),
    ["enum", "object", "map", "array", "enum", "enum", "array", "map", "object", "object", "object"],
  );
  assert.deepEqual(log.lines, []);
});

Deno.test("of an interface's contents, properties count, with semantic types and without brackets too", () => {
  const { models, log } = known({
    "dtmi:m;1": interfaceOf([
      { ...property("T", "double", ["Property", "Temperature"]), unit: "degreeCelsius" },
      {
        ...property("label", "string", "dtmi:dtdl:class:Property;2"),
        displayName: { en: "Label", it: "Nome" },
      },
      property("reading", "double", "Telemetry"),
      { "@type": "Relationship", name: "contains", properties: [property("since", "dateTime")] },
      { "@type": "Command", name: "reboot" },
    ]),
    "dtmi:one;1": interfaceOf(property("only", "long")),
    "dtmi:none;1": { "@type": ["Interface", "SomethingOfOurs"] },
  });
  assert.deepEqual(
    typesIn(models, "dtmi:m;1", ["T"], ["label"], ["reading"], ["contains"], ["since"], ["reboot"], [
      "T",
      "T",
    ]),
    ["double", "string", undefined, undefined, undefined, undefined, undefined],
  );
  assert.deepEqual(typesIn(models, "dtmi:one;1", ["only"]), ["long"]);
  assert.deepEqual(typesIn(models, "dtmi:none;1", ["only"]), [undefined]);
  assert.deepEqual(typesIn(models, "dtmi:unheard:of;1", ["only"]), [undefined]);
  assert.equal(models.schemaOf("another graph", "dtmi:one;1", ["only"]), undefined);
  assert.deepEqual(log.lines, []);
});

Deno.test("properties are inherited: from several, deeply, inline, and the own one counts first", () => {
  const inline = interfaceOf(property("inner", "date"), { "@id": "dtmi:inline;1", extends: "dtmi:top;1" });
  const { models, log } = known({
    "dtmi:top;1": interfaceOf([property("top", "integer"), property("shared", "string")]),
    "dtmi:mid;1": interfaceOf([property("mid", "long"), property("shared", "double")], {
      extends: { "@id": "dtmi:top;1" },
    }),
    "dtmi:other;1": interfaceOf([property("other", "time")]),
    "dtmi:low;1": interfaceOf([], { extends: ["dtmi:mid;1", "dtmi:other;1", inline, "dtmi:unheard:of;1"] }),
  });
  assert.deepEqual(
    typesIn(models, "dtmi:low;1", ["top"], ["mid"], ["other"], ["inner"], ["shared"]),
    ["integer", "long", "time", "date", "double"],
  );
  for (const ancestor of ["low", "mid", "top", "other", "inline", "unheard:of"]) {
    assert(models.isOfModel(graph, "dtmi:low;1", `dtmi:${ancestor};1`), ancestor);
  }
  assert(!models.isOfModel(graph, "dtmi:top;1", "dtmi:low;1"));
  assert(!models.isOfModel(graph, "dtmi:low;1", "dtmi:top;2"));
  assert(models.isOfModel(graph, "dtmi:nobody:knows;1", "dtmi:nobody:knows;1"));
  assert(!models.isOfModel("another graph", "dtmi:low;1", "dtmi:top;1"));
  assert.deepEqual(log.lines, []);
});

Deno.test("a chain of ten thousand models, and one that meets itself, are followed to their ends", () => {
  const chain = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, n) => [
      `dtmi:m${n};1`,
      interfaceOf([property(`p${n}`, "double")], { extends: `dtmi:m${n + 1};1` }),
    ]),
  );
  const { models } = known(chain);
  assert.equal(models.schemaOf(graph, "dtmi:m0;1", ["p9999"]), "double");
  assert(models.isOfModel(graph, "dtmi:m0;1", "dtmi:m10000;1"));

  const circle = known({
    "dtmi:a;1": interfaceOf([property("a", "long")], { extends: "dtmi:b;1" }),
    "dtmi:b;1": interfaceOf([property("b", "time")], { extends: ["dtmi:c;1", "dtmi:d;1"] }),
    "dtmi:c;1": interfaceOf([property("c", "date")], { extends: ["dtmi:a;1", "dtmi:d;1"] }),
    "dtmi:d;1": interfaceOf([property("d", "uuid")]),
  });
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(typesIn(circle.models, "dtmi:a;1", ["a"], ["b"], ["c"], ["d"]), [
      "long",
      "time",
      "date",
      "uuid",
    ]);
    assert(circle.models.isOfModel(graph, "dtmi:b;1", "dtmi:a;1"));
  }
  assert.deepEqual(circle.log.lines, [
    "warn Cannot understand all of the model dtmi:a;1: it extends itself",
    "warn Cannot understand all of the model dtmi:b;1: it extends itself",
  ]);
});

Deno.test("the bases that AgeDigitalTwins stores count where the DTDL does not say as much", () => {
  const log = new LogRecorder();
  const models = new Models(log);
  const put = (id: string, body: object) =>
    models.put(graph, id, JsonText.parse(JSON.stringify({ id, ...body })));
  put("dtmi:top;1", { model: interfaceOf([property("top", "double")]), bases: [] });
  put("dtmi:odd;1", { model: "gone", bases: ["dtmi:mid;1", "dtmi:top;1", 7] });
  assert(models.isOfModel(graph, "dtmi:odd;1", "dtmi:mid;1"));
  assert.equal(models.schemaOf(graph, "dtmi:odd;1", ["top"]), "double");
  assert.equal(log.lines.length, 1);
});

Deno.test("a component's properties are found by its interface, inherited or inline", () => {
  const inline = interfaceOf(property("Mode", { "@type": "Enum" }), { extends: "dtmi:device;1" });
  const { models, log } = known({
    "dtmi:device;1": interfaceOf([property("serial", "string")]),
    "dtmi:thermostat;1": interfaceOf([property("Setpoint", "double")], { extends: "dtmi:device;1" }),
    "dtmi:room;1": interfaceOf([
      { "@type": "Component", name: "thermostat", schema: "dtmi:thermostat;1" },
      { "@type": ["Component"], name: "fan", schema: inline },
      { "@type": "Component", name: "lost", schema: "dtmi:lost;1" },
    ]),
    "dtmi:office;1": interfaceOf([], { extends: ["dtmi:room;1"] }),
  });
  assert.deepEqual(
    typesIn(
      models,
      "dtmi:office;1",
      ["thermostat", "Setpoint"],
      ["thermostat", "serial"],
      ["fan", "Mode"],
      ["fan", "serial"],
      ["lost", "x"],
      ["thermostat"],
      ["Setpoint"],
    ),
    ["double", "string", "enum", "string", undefined, undefined, undefined],
  );
  assert.deepEqual(log.lines, []);
});

Deno.test("a broken model is reported once, by id, and the rest of it counts", () => {
  const log = new LogRecorder();
  const models = new Models(log);
  const broken: readonly (readonly [string, unknown, string])[] = [
    ["dtmi:bare;1", undefined, "it has no DTDL"],
    ["dtmi:text;1", { model: "Interface" }, "it is no DTDL interface"],
    ["dtmi:typeless;1", { model: { contents: [] } }, "it is no DTDL interface"],
    [
      "dtmi:nameless;1",
      { model: interfaceOf([{ "@type": "Property" }, 7, null]) },
      "something in its contents has no name",
    ],
    [
      "dtmi:odd;1",
      { model: interfaceOf([property("x", "colour")]) },
      "the schema of its property x is unknown",
    ],
    [
      "dtmi:blank;1",
      { model: interfaceOf([property("x", undefined)]) },
      "the schema of its property x is unknown",
    ],
    [
      "dtmi:part;1",
      { model: interfaceOf([property("x", 7, "Component")]) },
      "the schema of its component x is unknown",
    ],
    [
      "dtmi:heir;1",
      { model: interfaceOf([], { extends: [7] }) },
      "something that it extends is no interface",
    ],
  ];
  for (let time = 0; time < 2; time++) {
    for (const [id, body] of broken) {
      models.put(graph, id, JsonText.parse(JSON.stringify({ id, ...body as object })));
      models.schemaOf(graph, id, ["x"]);
      models.isOfModel(graph, id, "dtmi:x;1");
    }
  }
  assert.deepEqual(
    log.lines,
    broken.map(([id, , problem]) => `warn Cannot understand all of the model ${id}: ${problem}`),
  );
  models.put(
    graph,
    "dtmi:half;1",
    JsonText.parse(JSON.stringify({
      model: interfaceOf([property("x", "colour"), property("y", "double")]),
    })),
  );
  assert.equal(models.schemaOf(graph, "dtmi:half;1", ["y"]), "double");
});

Deno.test("interfaces nested without end are given up, not followed", () => {
  let text = "1";
  for (let depth = 0; depth < 5_000; depth++) text = `{"@type":"Interface","extends":${text}}`;
  const log = new LogRecorder();
  const models = new Models(log);
  models.put(graph, "dtmi:deep;1", JsonText.parse(`{"model":${text}}`));
  assert.equal(models.schemaOf(graph, "dtmi:deep;1", ["x"]), undefined);
  assert.equal(log.lines.length, 1);
});

Deno.test("models follow the stream, told once or again", async () => {
  const body = (schema: string) => ({ id: "dtmi:m;1", model: interfaceOf([property("x", schema)]) });
  const heir = { id: "dtmi:heir;1", model: interfaceOf([], { extends: "dtmi:m;1" }) };
  const { items } = await twinOutcome([
    ...transaction([inserted(Model, 1, body("long")), inserted(Model, 2, heir)]),
    ...transaction([updated(Model, 1, body("long"), body("double"))]),
    ...transaction([deleted(Model, 1, body("double"))]),
    ...transaction([inserted(Model, 1, body("time")), inserted(Twin, 1, { $dtId: "a" })]),
    ...transaction([truncated(Twin, table("other", "Model", vertexColumns))]),
    ...transaction([truncated(Model)]),
  ]);
  const changes = items.filter((item) => item.kind === "change" || item.kind === "gap");
  for (let time = 0; time < 2; time++) {
    const models = new Models(new LogRecorder());
    const seen = changes.flatMap((change) => {
      const again = [change, ...(time === 1 ? [change] : [])];
      again.forEach((change) => models.follow(change));
      return models.schemaOf(graph, "dtmi:heir;1", ["x"]) ?? "unknown";
    });
    assert.deepEqual(seen, [
      "unknown",
      "long",
      "double",
      "unknown",
      "time",
      "time",
      "time",
      "time",
      "unknown",
    ]);
  }
});

Deno.test("rows make the models of their graphs what they say, and leave the other graphs alone", async () => {
  const { models, log } = known({ "dtmi:old;1": interfaceOf([property("x", "long")]) });
  const row = (id: string, more = "") =>
    `{"id": "${id}", "model": {"@type": "Interface", "contents": {"@type": "Property", "name": "x", "schema": "double"}}, ` +
    `"uploaded": 1.50::numeric${more}}`;
  const asked: string[] = [];
  async function* labelRows(label: string) {
    asked.push(label);
    yield { graph: "other", properties: [row("dtmi:a;1")] };
    assert.equal(models.schemaOf(graph, "dtmi:old;1", ["x"]), "long", "until its own rows come");
    yield {
      graph,
      properties: [
        row("dtmi:a;1"),
        row("no model"),
        row("dtmi:twin;1", ', "$dtId": "a"'),
        '{"id": 7}',
        "garbage",
        "[]",
      ],
    };
  }
  await readModels(models, { labelRows }, new AbortController().signal);
  assert.deepEqual(asked, ["Model"]);
  assert.deepEqual(
    ["dtmi:a;1", "dtmi:old;1", "no model", "dtmi:twin;1"].map((id) => models.schemaOf(graph, id, ["x"])),
    ["double", undefined, undefined, undefined],
  );
  assert.equal(models.schemaOf("other", "dtmi:a;1", ["x"]), "double");
  assert.deepEqual(log.lines, []);
});

Deno.test("what is cleared is unknown", () => {
  const { models } = known({ "dtmi:m;1": interfaceOf([property("x", "long")]) });
  assert.equal(models.schemaOf(graph, "dtmi:m;1", ["x"]), "long");
  models.clear(graph);
  assert.equal(models.schemaOf(graph, "dtmi:m;1", ["x"]), undefined);
});
