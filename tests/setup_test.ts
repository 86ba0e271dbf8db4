import assert from "node:assert/strict";
import { sinkKinds } from "../sinks/registry.ts";
import { ConfigurationError } from "../src/config/problem.ts";
import { CesqlFilter } from "../src/route/cesql/cesql_filter.ts";
import { Filter } from "../src/route/filter/filter.ts";
import { setUp } from "../src/setup.ts";
import { loadConfig, loadText } from "./support/load_text.ts";
import { inRepository } from "./support/repository.ts";

const source = "source: { connectionString: 'postgres://router@db.example/twins' }\n";

function setUpWith(config: string, environment: Readonly<Record<string, string>> = {}) {
  return setUp(loadConfig(source + config, { environment }), sinkKinds, environment);
}

Deno.test("routes get the filters that are written for them", async () => {
  const { routes } = await setUpWith(`eventSinks:
  console: [{ name: Screen }]
eventRoutes:
  - { sinkName: Screen, filter: "subject = 'room'" }
  - { sinkName: Screen, cesql: "subject LIKE 'room%'" }
  - { sinkName: Screen }
`);
  assert.deepEqual(routes.map(({ filter }) => filter?.text), [
    "subject = 'room'",
    "subject LIKE 'room%'",
    undefined,
  ]);
  assert.deepEqual(routes.map(({ filter }) => filter?.constructor), [Filter, CesqlFilter, undefined]);
});

Deno.test("filters that do not parse are told together, by file, line, path and column", async () => {
  const rejected = setUpWith(
    `eventSinks:
  console: [{ name: Screen }]
eventRoutes:
  - { sinkName: Screen, filter: "true" }
  - sinkName: Screen
    filter: type == 'x'
  - sinkName: Screen
    filter: \${FILTER}
  - sinkName: Screen
    cesql: type = 'x' AND subject LIKE 5
`,
    { FILTER: "(true" },
  );
  await assert.rejects(rejected, (error) => {
    assert.ok(error instanceof ConfigurationError);
    assert.deepEqual(error.message.split("\n"), [
      "/etc/twinrouter/events.yaml:9:17 events.config.eventRoutes[1].filter: Cannot read the filter at column 6: " +
      "expected =, !=, <, <=, >, >=, IN or NIN, found '=='; did you mean =?",
      "/etc/twinrouter/events.yaml:11:17 events.config.eventRoutes[2].filter: Cannot read the filter at column 6: " +
      "expected AND, OR or ')', found the end",
      "/etc/twinrouter/events.yaml:13:16 events.config.eventRoutes[3].cesql: Cannot read the filter at column 29: " +
      "expected a pattern in quotes, found '5'",
    ]);
    return true;
  });
});

Deno.test("a route's type mappings come before its sink's, and a preset brings its shape", async () => {
  const { routes } = await setUpWith(`eventSinks:
  console:
    - { name: Plain }
    - { name: Named, typeMappings: { TwinUpdate: Sink.Update, TwinDelete: Sink.Delete } }
    - { name: Adt, typeMappings: adt }
eventRoutes:
  - { sinkName: Plain }
  - { sinkName: Named }
  - { sinkName: Named, typeMappings: { TwinUpdate: Route.Update } }
  - { sinkName: Named, typeMappings: konnektr-graph }
  - { sinkName: Adt }
  - { sinkName: Adt, typeMappings: { TwinUpdate: Route.Update } }
  - { sinkName: Adt, typeMappings: konnektr-graph }
`);
  assert.deepEqual(
    routes.map(({ dialect }) => [dialect?.shape, dialect?.types.TwinUpdate, dialect?.types.TwinDelete]),
    [
      ["own", "Konnektr.DigitalTwins.Twin.Update", "Konnektr.DigitalTwins.Twin.Delete"],
      ["own", "Sink.Update", "Sink.Delete"],
      ["own", "Route.Update", "Sink.Delete"],
      ["own", "Konnektr.Graph.Twin.Update", "Konnektr.Graph.Twin.Delete"],
      ["adt", "Microsoft.DigitalTwins.Twin.Update", "Microsoft.DigitalTwins.Twin.Delete"],
      ["adt", "Route.Update", "Microsoft.DigitalTwins.Twin.Delete"],
      ["own", "Konnektr.Graph.Twin.Update", "Konnektr.Graph.Twin.Delete"],
    ],
  );
});

Deno.test("a sink's type mappings count where the file names no routes", async () => {
  const { routes } = await setUpWith("eventSinks: { console: [{ name: Adt, typeMappings: adt }] }\n");
  assert.deepEqual(routes.map(({ dialect }) => dialect?.shape), ["adt"]);
});

Deno.test("a sink's options are plain data, by which a reload can tell whether they are the same", () => {
  const text = Deno.readTextFileSync(inRepository("deploy/events.example.yaml"));
  const names = [...text.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name = ""]) => [name, "postgres://db/twins"]);
  const { sinks } = loadText(text, { environment: Object.fromEntries(names) });
  assert(sinks.length > 4);
  for (const { options } of sinks) assert.deepEqual(JSON.parse(JSON.stringify(options)), options);
});
