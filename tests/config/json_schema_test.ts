import assert from "node:assert/strict";
import { parse } from "yaml";
import { z } from "zod";
import { EVENTS_SCHEMA, eventsSchemaText } from "../../docs/write_events_schema.ts";

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly description?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly $ref?: string;
}

const SCHEMA = JSON.parse(eventsSchemaText()) as JsonSchema;

Deno.test("docs/events.schema.json is what the definition gives; `deno task schema` writes it", async () => {
  assert.equal(await Deno.readTextFile(EVENTS_SCHEMA), eventsSchemaText());
});

/** What an editor says of a text, by a reader of JSON Schema: the paths that it marks. */
function marked(yaml: string): readonly string[] {
  const { error } = z.fromJSONSchema(SCHEMA as Parameters<typeof z.fromJSONSchema>[0]).safeParse(parse(yaml));
  return error?.issues.map(({ path, ...issue }) =>
    [...path, ...(issue.code === "unrecognized_keys" ? issue.keys : [])].slice(2).join(".")
  ) ?? [];
}

Deno.test("an editor finds nothing to mark in good configurations", () => {
  const good = [
    `
events:
  config:
    eventSource: https://your-adt-instance/
    maxBatchSize: 50
    source: { connectionString: "\${DATABASE_URL}", publication: age_pub, slot: age_slot, graphs: [digitaltwins] }
    eventSinks:
      console: [{ name: Screen }]
      file: [{ name: Archive, path: ./events.ndjson, maxBytes: 1GiB }]
      webhook: [{ name: Hook, url: https://example.com/events, auth: { type: bearer, token: "\${TOKEN}" } }]
      kafka: []
    eventRoutes:
      - { sinkName: Hook, eventFormat: EventNotification }
`,
    `
events:
  config:
    eventSinks:
      kafka:
        - { name: KafkaSink, brokerList: x.servicebus.windows.net, topic: t, saslMechanism: OAUTHBEARER }
      kusto:
        - { name: AdxSink, ingestionUri: https://ingest-x.kusto.windows.net, database: d }
      mqtt:
        - { name: MqttSink, broker: h, port: 1883, topic: a/b, clientId: c, username: u, password: p }
`,
    `
x-anything: { at: [all] }
events:
  config:
    maxBatchSize: \${BATCH}
    http: { port: "\${PORT:-8080}" }
    retry: { initial: "\${INITIAL}", max: 1h30m, maxAttempts: "3" }
    queue: { maxBytes: 1048576 }
    source: { slot: "\${SLOT}", sslMode: "\${MODE:-require}", failover: "\${FAILOVER}" }
    eventSinks: { console: [{ name: "\${NAME}", pretty: "\${PRETTY}", retry: { max: 1s }, queue: { maxEvents: 1 } }] }
    eventRoutes: [{ sinkName: "\${NAME}", eventFormat: "\${FORMAT}", typeMappings: { TwinUpdate: x } }]
`,
    "events: { config: { http: false, eventSinks: { console: [{ name: A }] }, eventRoutes: [] } }",
  ];
  for (const yaml of good) assert.deepEqual(marked(yaml), [], yaml);
});

Deno.test("an editor marks what a start would refuse", () => {
  assert.deepEqual(
    marked(`
events:
  config:
    maxBatchSize: 0
    maxBatchsize: 5
    http: { port: 99999 }
    retry: { initial: 10 }
    source: { slot: My-Slot }
    eventSinks: { console: [{ nam: Screen }], webhok: [] }
    eventRoutes: [{ sinkName: Screen, eventFormat: Notification }]
`).toSorted(),
    [
      "eventRoutes.0.eventFormat",
      "eventSinks.console.0.nam",
      "eventSinks.console.0.name",
      "eventSinks.webhok",
      "http.port",
      "maxBatchSize",
      "maxBatchsize",
      "retry.initial",
      "source.slot",
    ],
  );
});

Deno.test("every key is described, so that an editor can explain it", () => {
  const silent: string[] = [];
  const look = (schema: JsonSchema, path: string): void => {
    for (const [key, below] of Object.entries(schema.properties ?? {})) {
      const here = `${path}.${key}`;
      if (!below.description && !below.$ref && !path.endsWith("typeMappings")) silent.push(here);
      look(below, here);
    }
    for (const branch of schema.anyOf ?? []) look(branch, path);
    if (schema.items) look(schema.items, path);
  };
  look(SCHEMA, "");
  assert.deepEqual(silent, []);
});
