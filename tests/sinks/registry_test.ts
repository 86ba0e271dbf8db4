import assert from "node:assert/strict";
import { z } from "zod";
import { type SinkKindName, sinkKinds } from "../../sinks/registry.ts";
import { fromFileUrl, inRepository, relativeToRoot } from "../support/repository.ts";

const KAFKA_DEFAULTS = {
  contentMode: "binary",
  securityProtocol: "SASL_SSL",
  compression: "none",
  delivery: "at-least-once",
  positionTopic: "twinrouter-positions",
  idempotent: true,
  maxRequestBytes: 1_000_000,
  timeout: 30_000,
};

const MQTT_DEFAULTS = {
  contentMode: "structured",
  qos: 1,
  retain: false,
  keepAlive: 30_000,
  sessionExpiry: 3_600_000,
  willDelay: 10_000,
};

/** A sink's options as the product's documentation shows them, and the least that each kind needs. */
const UNDERSTOOD: [SinkKindName, Record<string, unknown>, Record<string, unknown>][] = [
  ["console", {}, { pretty: false }],
  ["console", { pretty: "TRUE" }, { pretty: true }],
  ["file", { path: "./events.ndjson" }, { path: "./events.ndjson" }],
  ["file", { path: "x", maxBytes: "10MB", maxFiles: "3" }, { path: "x", maxBytes: 10_000_000, maxFiles: 3 }],
  [
    "webhook",
    { url: "https://example.com/events" },
    {
      url: "https://example.com/events",
      contentMode: "structured",
      maxBytes: 1_048_576,
      concurrency: 16,
      timeout: 30_000,
      headers: {},
      validation: "optional",
      origin: "twinrouter",
    },
  ],
  [
    "kafka",
    {
      brokerList: "your-namespace.servicebus.windows.net",
      topic: "your-eventhub-name",
      saslMechanism: "OAUTHBEARER",
    },
    {
      brokerList: "your-namespace.servicebus.windows.net",
      topic: "your-eventhub-name",
      saslMechanism: "OAUTHBEARER",
      ...KAFKA_DEFAULTS,
    },
  ],
  [
    "kafka",
    {
      brokerList: "a:9092, b:9093",
      topic: "t",
      saslMechanism: "PLAIN",
      saslUsername: "u",
      saslPassword: "p",
    },
    {
      brokerList: "a:9092, b:9093",
      topic: "t",
      saslMechanism: "PLAIN",
      saslUsername: "u",
      saslPassword: "p",
      ...KAFKA_DEFAULTS,
    },
  ],
  [
    "kusto",
    { ingestionUri: "https://ingest-your-cluster.region.kusto.windows.net", database: "your-database" },
    {
      ingestionUri: "https://ingest-your-cluster.region.kusto.windows.net",
      database: "your-database",
      propertyEventsTable: "AdtPropertyEvents",
      twinLifeCycleEventsTable: "AdtTwinLifeCycleEvents",
      relationshipLifeCycleEventsTable: "AdtRelationshipLifeCycleEvents",
      ingestion: "queued",
      maxBatchBytes: 4 * 1024 * 1024,
      timeout: 60_000,
      auth: { type: "default" },
    },
  ],
  [
    "mqtt",
    {
      broker: "your-mqtt-broker-host",
      port: "8883",
      topic: "digitaltwins/events",
      clientId: "agedt-client",
      username: "your-username",
      password: "your-password",
      protocolVersion: "3.1.1",
    },
    {
      broker: "your-mqtt-broker-host",
      port: 8883,
      topic: "digitaltwins/events",
      clientId: "agedt-client",
      username: "your-username",
      password: "your-password",
      protocolVersion: "3.1.1",
      ...MQTT_DEFAULTS,
    },
  ],
  [
    "mqtt",
    { broker: "localhost", topic: "t" },
    {
      broker: "localhost",
      topic: "t",
      protocolVersion: "5.0.0",
      ...MQTT_DEFAULTS,
    },
  ],
];

for (const [kind, written, parsed] of UNDERSTOOD) {
  Deno.test(`the options of ${kind} understand ${JSON.stringify(written)}`, () => {
    assert.deepEqual(sinkKinds[kind].options.parse(written), parsed);
  });
}

const REFUSED: [SinkKindName, Record<string, unknown>, string, RegExp][] = [
  ["console", { prety: true }, "", /prety/],
  ["file", {}, "path", /./],
  ["file", { path: "x", maxBytes: 0 }, "maxBytes", /size/],
  ["webhook", { url: "ftp://user:s3cret@host/" }, "url", /https:\/\/ or http:\/\//],
  ["webhook", { url: "https://h", concurrency: 0 }, "concurrency", /1 to 1000/],
  ["webhook", { url: "https://h", contentMode: "binry" }, "contentMode", /did you mean binary/],
  [
    "webhook",
    { url: "https://h", headers: { "Content-Type": "x" } },
    "headers.Content-Type",
    /the sink writes/,
  ],
  ["webhook", { url: "https://h", headers: { "ce-id": "x" } }, "headers.ce-id", /the sink writes/],
  ["webhook", { url: "https://h", headers: { "X-A": "s3cret\r\nX-B: b" } }, "headers.X-A", /printable/],
  ["webhook", { url: "https://h", headers: { "a b": "x" } }, "headers.a b", /a header's name/],
  ["webhook", { url: "https://h", auth: { type: "digest" } }, "auth.type", /basic, bearer, apiKey, oauth2/],
  ["webhook", { url: "https://h", auth: { type: "bearer" } }, "auth", /either token or tokenFile/],
  ["webhook", { url: "https://h", auth: { type: "bearer", token: "s3cret ö" } }, "auth.token", /printable/],
  ["webhook", { url: "https://h", auth: { type: "basic", username: "u" } }, "auth.password", /./],
  ["kafka", { brokerList: "a:b:c", topic: "t" }, "brokerList", /brokers such as/],
  ["kafka", { brokerList: "a", topic: "t", saslMechanism: "GSSAPI" }, "saslMechanism", /OAUTHBEARER/],
  ["kafka", { brokerList: "a", topic: "a/b", saslMechanism: "PLAIN" }, "topic", /letters, digits/],
  [
    "kafka",
    { brokerList: "a", topic: "a.{tpye}", saslMechanism: "PLAIN" },
    "topic",
    /has \{tpye\}, which is none of/,
  ],
  ["kafka", { brokerList: "a", topic: "..", saslMechanism: "PLAIN" }, "topic", /no name that Kafka allows/],
  ["kafka", { brokerList: "a", topic: "x".repeat(250), saslMechanism: "PLAIN" }, "topic", /longer than 249/],
  ["kafka", { brokerList: "a", topic: "t" }, "saslMechanism", /missing, though securityProtocol is SASL_SSL/],
  [
    "kafka",
    { brokerList: "a", topic: "t", securityProtocol: "SSL", saslMechanism: "PLAIN", saslPassword: "s3cret" },
    "saslMechanism",
    /no use while securityProtocol is SSL/,
  ],
  [
    "kafka",
    { brokerList: "a", topic: "t", saslMechanism: "PLAIN", saslPassword: "s3cret" },
    "saslUsername",
    /missing; PLAIN needs it/,
  ],
  [
    "kafka",
    { brokerList: "a", topic: "t", saslMechanism: "OAUTHBEARER", clientId: "c", clientSecret: "s3cret" },
    "tokenEndpoint",
    /missing; OAUTHBEARER needs it/,
  ],
  [
    "kafka",
    {
      brokerList: "x.servicebus.windows.net",
      topic: "t",
      saslMechanism: "OAUTHBEARER",
      clientId: "c",
      clientSecret: "s3cret",
    },
    "tenantId",
    /missing beside clientSecret/,
  ],
  [
    "kafka",
    { brokerList: "a", topic: "t", securityProtocol: "SSL", certFile: "c" },
    "keyFile",
    /missing beside certFile/,
  ],
  [
    "kafka",
    { brokerList: "a", topic: "t", securityProtocol: "SSL", delivery: "exactly-once", idempotent: false },
    "idempotent",
    /exactly-once delivery cannot do with/,
  ],
  [
    "kafka",
    { brokerList: "a", topic: "t", securityProtocol: "SSL", compression: "brotli" },
    "compression",
    /none, gzip, snappy, lz4, zstd/,
  ],
  ["kusto", { ingestionUri: "cluster", database: "d" }, "ingestionUri", /https/],
  ["kusto", { ingestionUri: "https://h", database: "d", ingestion: "batched" }, "ingestion", /queued/],
  ["kusto", { ingestionUri: "https://h", database: "d", auth: { type: "key" } }, "auth.type", /clientSecret/],
  [
    "kusto",
    { ingestionUri: "https://h", database: "d", auth: { type: "none", clientSecret: "s3cret" } },
    "auth",
    /clientSecret/,
  ],
  ["mqtt", { broker: "h", topic: "a/#" }, "topic", /without wildcards/],
  ["mqtt", { broker: "h", topic: "t", protocolVersion: "5" }, "protocolVersion", /5\.0\.0/],
];

for (const [kind, written, path, message] of REFUSED) {
  Deno.test(`the options of ${kind} refuse ${JSON.stringify(written)}`, () => {
    const { error } = sinkKinds[kind].options.safeParse(written);
    assert.deepEqual(error?.issues.map((issue) => issue.path.join(".")), [path]);
    assert.match(error.issues[0]?.message ?? "", message);
    assert.doesNotMatch(JSON.stringify(error.issues), /s3cret/);
  });
}

Deno.test("every option of every sink says what it is", () => {
  for (const [kind, { options }] of Object.entries(sinkKinds)) {
    const { properties = {} } = z.toJSONSchema(options, { io: "input", unrepresentable: "any" });
    for (const [key, schema] of Object.entries(properties)) {
      const description = typeof schema === "object" ? schema.description : undefined;
      assert.match(description ?? "", /^[A-Z].{6,}[^.]$/, `${kind}.${key}`);
    }
  }
});

Deno.test("every kind but those still to come makes its sink", async () => {
  const context = { name: "Any", baseDirectory: ".", log: { info() {}, warn() {} } };
  const made: string[] = [];
  for (const [kind, { options, load }] of Object.entries(sinkKinds)) {
    const written = UNDERSTOOD.find(([each]) => each === kind)?.[1];
    if (!load) continue;
    const module = await load();
    await using _sink = module.createSink(options.parse(written) as never, context);
    made.push(kind);
  }
  assert.deepEqual(made, ["console", "file", "webhook", "kafka", "mqtt", "kusto"]);
});

interface ModuleGraph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier: string };
    }[];
  }[];
}

Deno.test("the registry loads no sink, and no library but zod", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "sinks/registry.ts"],
    cwd: inRepository("."),
  }).output();
  const graph: ModuleGraph = JSON.parse(new TextDecoder().decode(stdout));
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const loaded = new Set(graph.roots);
  const loadedLater = new Set<string>();
  for (const specifier of loaded) {
    for (const { code, isDynamic } of modules.get(specifier)?.dependencies ?? []) {
      if (code) (isDynamic ? loadedLater : loaded).add(code.specifier);
    }
  }
  const own = [...loaded].filter((each) => each.startsWith("file:")).map((each) =>
    relativeToRoot(fromFileUrl(each))
  );
  const foreign = [...loaded].filter((each) => !each.startsWith("file:"));
  assert(own.includes("sinks/webhook/config.ts"));
  assert.deepEqual(
    own.filter((each) =>
      !/^(sinks\/(registry|[a-z]+\/config)|src\/(sink|config|event)\/\w+)\.ts$/.test(each)
    ),
    [],
  );
  assert.deepEqual(foreign.filter((each) => !/^npm:\/?zod@/.test(each)), []);
  const later = [...loadedLater].map((each) => relativeToRoot(fromFileUrl(each))).sort();
  assert.deepEqual(later, [
    "sinks/console/mod.ts",
    "sinks/file/mod.ts",
    "sinks/kafka/mod.ts",
    "sinks/kusto/mod.ts",
    "sinks/mqtt/mod.ts",
    "sinks/webhook/mod.ts",
  ]);
});
