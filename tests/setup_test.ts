import assert from "node:assert/strict";
import { sinkKinds } from "../sinks/registry.ts";
import { ConfigurationError } from "../src/config/problem.ts";
import { setUp } from "../src/setup.ts";
import { loadConfig } from "./support/load_text.ts";

const source = "source: { connectionString: 'postgres://router@db.example/twins' }\n";

function setUpWith(config: string, environment: Readonly<Record<string, string>> = {}) {
  return setUp(loadConfig(source + config, { environment }), sinkKinds, environment);
}

Deno.test("routes get the filters that are written for them", async () => {
  const { routes } = await setUpWith(`eventSinks:
  console: [{ name: Screen }]
eventRoutes:
  - { sinkName: Screen, filter: "subject = 'room'" }
  - { sinkName: Screen }
`);
  assert.deepEqual(routes.map(({ filter }) => filter?.text), ["subject = 'room'", undefined]);
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
    ]);
    return true;
  });
});
