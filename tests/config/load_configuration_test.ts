import assert from "node:assert/strict";
import { loadConfig, loadText, problemsOf } from "../support/load_text.ts";
import { loadConfiguration } from "../../src/config/load_configuration.ts";

const DOCUMENTED = `
events:
  config:
    eventSource: https://your-adt-instance/
    maxBatchSize: 50
    source:
      connectionString: \${DATABASE_URL}   # or host, port, database, user, password, passwordFile, …
      publication: age_pub
      slot: age_slot
      graphs: [digitaltwins]              # default: every graph of the database
    eventSinks:
      console: [{ name: Screen }]
      file: [{ name: Archive, path: ./events.ndjson }]
      webhook: [{ name: Hook, url: https://example.com/events }]
      kafka: []
    eventRoutes:
      - { sinkName: Hook, eventFormat: EventNotification }
`;

/** As AgeDigitalTwins' documentation of event routing has it. */
const AGE_DIGITAL_TWINS = `events:
  config:
    eventSinks:
      kafka:
        - name: KafkaSink
          brokerList: your-eventhub-namespace.servicebus.windows.net
          topic: your-eventhub-name
          saslMechanism: OAUTHBEARER
      kusto:
        - name: AdxSink
          ingestionUri: https://ingest-your-cluster.region.kusto.windows.net
          database: your-database
      mqtt:
        - name: MqttSink
          broker: your-mqtt-broker-host
          port: 1883
          topic: digitaltwins/events
          clientId: agedt-client
          username: your-username
          password: your-password
`;

const SCREEN = "eventSinks: { console: [{ name: Screen }] }\n";

Deno.test("reads the documented configuration", () => {
  const configuration = loadText(DOCUMENTED, {
    environment: { DATABASE_URL: "postgres://me:s3cret@db/twins" },
  });
  assert.equal(configuration.eventSource, "https://your-adt-instance/");
  assert.deepEqual(configuration.source, {
    connectionString: "postgres://me:s3cret@db/twins",
    publication: "age_pub",
    slot: "age_slot",
    graphs: ["digitaltwins"],
    failover: true,
    onSlotLost: "fail",
    snapshot: "never",
    walSenderTimeout: 10_000,
  });
  assert.deepEqual(configuration.sinks.map(({ kind, name }) => `${kind} ${name}`), [
    "console Screen",
    "file Archive",
    "webhook Hook",
  ]);
  assert.deepEqual(configuration.sinks[1]?.options, { path: "./events.ndjson" });
  assert.deepEqual(configuration.routes, [{
    sinkName: "Hook",
    eventFormat: "EventNotification",
    includeMetadata: false,
    path: ["events", "config", "eventRoutes", 0],
  }]);
  assert(configuration.secrets.has("s3cret"));
});

Deno.test("reads AgeDigitalTwins' own configuration as it stands, with a route to every sink", () => {
  const { sinks, routes, source } = loadText(AGE_DIGITAL_TWINS);
  assert.deepEqual(sinks.map(({ name }) => name).toSorted(), ["AdxSink", "KafkaSink", "MqttSink"]);
  assert.deepEqual(
    routes.map(({ sinkName, eventFormat }) => `${sinkName} ${eventFormat}`).toSorted(),
    ["AdxSink DataHistory", "KafkaSink EventNotification", "MqttSink EventNotification"],
  );
  assert.deepEqual(source, {
    publication: "age_pub",
    slot: "age_slot",
    failover: true,
    onSlotLost: "fail",
    snapshot: "never",
    walSenderTimeout: 10_000,
  });
});

Deno.test("applies every default", () => {
  const { maxBatchSize, http, shutdownTimeout, store, baseDirectory, sinks, ...rest } = loadConfig(SCREEN);
  assert.equal(maxBatchSize, 50);
  assert.equal(rest.trackLastUpdatedBy, false);
  assert.deepEqual(http, { host: "127.0.0.1", port: 8080 });
  assert.equal(shutdownTimeout, 10_000);
  assert.equal(baseDirectory, "/etc/twinrouter");
  assert.equal(store, "postgres");
  assert(!("deadLetterFile" in rest));
  assert.deepEqual(sinks, [{
    kind: "console",
    name: "Screen",
    path: ["events", "config", "eventSinks", "console", 0],
    options: { pretty: false },
    retry: { initial: 200, max: 30_000, maxAttempts: 10 },
    queue: { maxEvents: 10_000, maxBytes: 64 * 2 ** 20 },
    parking: { parkAfter: 30_000, maxParkedBytes: 2 ** 30, maxParkedAge: 604_800_000, whenFull: "block" },
  }]);
  assert(!("eventSource" in rest));
});

Deno.test("data history says who updated a property where that is asked for", () => {
  assert.equal(loadConfig(`trackLastUpdatedBy: true\n${SCREEN}`).trackLastUpdatedBy, true);
});

Deno.test("a sink's own retry, queue and batch size come before the configuration's, key by key", () => {
  const { sinks } = loadConfig(`
retry: { initial: 1s, max: 1m }
queue: { maxBytes: 1MiB }
eventSinks:
  console:
    - { name: Own, maxBatchSize: 7, retry: { max: 2s }, queue: { maxEvents: 5 } }
    - { name: Others }
`);
  assert.deepEqual(
    sinks.map(({ retry, queue, maxBatchSize }) => ({ retry, queue, maxBatchSize })),
    [
      {
        retry: { initial: 1_000, max: 2_000, maxAttempts: 10 },
        queue: { maxEvents: 5, maxBytes: 2 ** 20 },
        maxBatchSize: 7,
      },
      {
        retry: { initial: 1_000, max: 60_000, maxAttempts: 10 },
        queue: { maxEvents: 10_000, maxBytes: 2 ** 20 },
        maxBatchSize: undefined,
      },
    ],
  );
});

Deno.test("values from the environment count as what the key asks for", () => {
  const { http, source, maxBatchSize, sinks } = loadConfig(
    `
maxBatchSize: \${BATCH}
http: { port: \${PORT} }
source: { failover: "\${FAILOVER}", port: \${PGPORT:-5433} }
eventSinks: { console: [{ name: Screen, pretty: \${PRETTY} }] }
`,
    { environment: { BATCH: "7", PORT: "9090", FAILOVER: "false", PRETTY: "true" } },
  );
  assert.deepEqual([maxBatchSize, http, source.failover, source.port, sinks[0]?.options], [
    7,
    { host: "127.0.0.1", port: 9090 },
    false,
    5433,
    { pretty: true },
  ]);
});

Deno.test("what a reference gives is text, whatever it looks like in YAML", () => {
  const injected = "x, pretty: true }]\n  file: [{ name: Evil # *alias";
  const { source, sinks } = loadConfig(`source: { database: \${DB} }\n${SCREEN}`, {
    environment: { DB: injected },
  });
  assert.equal(source.database, injected);
  assert.equal(sinks.length, 1);
});

Deno.test("http: false serves nothing, from the environment too", () => {
  assert.equal(loadConfig(`http: false\n${SCREEN}`).http, false);
  assert.equal(loadConfig(`http: \${HTTP}\n${SCREEN}`, { environment: { HTTP: "false" } }).http, false);
});

Deno.test("no routes at all and an empty list of routes differ", () => {
  assert.equal(loadConfig(SCREEN).routes.length, 1);
  assert.equal(loadConfig(`${SCREEN}eventRoutes: []`).routes.length, 0);
});

Deno.test("routes keep what is said of them, and default to their sink's format", () => {
  const { routes } = loadConfig(`
eventSinks:
  console: [{ name: Screen }]
  kusto: [{ name: Adx, ingestionUri: https://ingest-x, database: d }]
eventRoutes:
  - { sinkName: Adx, name: all }
  - { sinkName: Screen, eventFormat: Telemetry, filter: "type = 'x'", includeMetadata: true }
  - { sinkName: Screen, typeMappings: { TwinUpdate: Contoso.Twin.Changed } }
  - { sinkName: Screen, typeMappings: adt }
`);
  assert.deepEqual(routes.map(({ path: _, ...route }) => route), [
    { sinkName: "Adx", name: "all", eventFormat: "DataHistory", includeMetadata: false },
    { sinkName: "Screen", eventFormat: "Telemetry", filter: "type = 'x'", includeMetadata: true },
    {
      sinkName: "Screen",
      eventFormat: "EventNotification",
      typeMappings: { TwinUpdate: "Contoso.Twin.Changed" },
      includeMetadata: false,
    },
    { sinkName: "Screen", eventFormat: "EventNotification", typeMappings: "adt", includeMetadata: false },
  ]);
});

Deno.test("sinks keep the type mappings that are said of them", () => {
  const { sinks } = loadConfig(`
eventSinks:
  console: [{ name: A, typeMappings: konnektr-graph, pretty: true }, { name: B, typeMappings: { Gap: Hole } }]
  file: [{ name: C, path: x }]
`);
  assert.deepEqual(sinks.map(({ typeMappings, options }) => [typeMappings, Object.keys(options)]), [
    ["konnektr-graph", ["pretty"]],
    [{ Gap: "Hole" }, ["pretty"]],
    [undefined, ["path"]],
  ]);
});

Deno.test("anchors, aliases and merged mappings work, with x- keys to keep them in", () => {
  const { sinks } = loadText(`
x-patient: &patient { initial: 1s, max: 5m }
x-hook: &hook
  url: https://example.com/events
  retry: *patient
events:
  config:
    eventSinks:
      webhook:
        - { <<: *hook, name: A }
        - { <<: [*hook], name: B, retry: { <<: *patient, max: 1h } }
`);
  assert.deepEqual(sinks.map(({ name, retry }) => [name, retry.initial, retry.max]), [
    ["A", 1_000, 300_000],
    ["B", 1_000, 3_600_000],
  ]);
});

Deno.test("relative paths are meant from the file's folder", () => {
  const { source, store, deadLetterFile } = loadConfig(`
store: { sqlite: ./state/router.db }
deadLetterFile: lost/events.ndjson
source: { passwordFile: ../pw, sslRootCert: system, sslCert: /abs/cert.pem, sslKey: key.pem }
${SCREEN}`);
  assert.deepEqual(store, { sqlite: "/etc/twinrouter/state/router.db" });
  assert.equal(deadLetterFile, "/etc/twinrouter/lost/events.ndjson");
  assert.equal(source.passwordFile, "/etc/pw");
  assert.equal(source.sslRootCert, "system");
  assert.equal(source.sslCert, "/abs/cert.pem");
  assert.equal(source.sslKey, "/etc/twinrouter/key.pem");
});

Deno.test("files of references are looked for from the file's folder and become secrets", () => {
  const { source, secrets } = loadConfig(`source: { user: "\${file:secrets/user}" }\n${SCREEN}`, {
    files: { "/etc/twinrouter/secrets/user": "somebody\n" },
  });
  assert.equal(source.user, "somebody");
  assert(secrets.has("somebody"));
});

Deno.test("every kind of secret is known", () => {
  const { secrets } = loadConfig(
    `
source: { connectionString: "Host=db;Password=in-dot-net" }
eventSinks:
  mqtt: [{ name: M, broker: b, topic: t, username: u, password: of-a-sink }]
  webhook:
    - { name: A, url: "https://me:in-url@example.com", auth: { type: bearer, token: of-a-union } }
    - { name: B, url: "https://example.com", headers: { X-Key: of-a-header } }
`,
    { environment: { PGPASSWORD: "of-libpq" } },
  );
  for (
    const secret of ["in-dot-net", "of-a-sink", "in-url", "of-a-union", "of-a-header", "of-libpq"]
  ) assert(secrets.has(secret), secret);
});

Deno.test("later stages can tell the line of a path, and never a secret", () => {
  const { problemAt } = loadConfig(`source:
  slot: some_slot
  password: s3cret
eventSinks:
  console:
    - name: Screen
`);
  const at = (...path: (string | number)[]) => {
    const { line, column, message } = problemAt(["events", "config", ...path], "the server said s3cret");
    return `${line}:${column} ${message}`;
  };
  assert.equal(at("source", "slot"), "4:13 the server said ***");
  assert.equal(at("source", "host"), "4:7 the server said ***");
  assert.equal(at("eventSinks", "console", 0, "name"), "8:17 the server said ***");
  assert.equal(at("eventRoutes"), "3:5 the server said ***");
});

Deno.test("a missing file is told with the way to make one", () => {
  const [problem] = problemsOf(() => loadConfiguration("/nowhere/events.yaml", { kinds: {} }));
  assert.deepEqual([problem?.file, problem?.line], ["/nowhere/events.yaml", 0]);
  assert.match(
    problem?.message ?? "",
    /there is no such file; name one with --config FILE .* or make one from/,
  );
});

Deno.test("a folder is no configuration", () => {
  const [problem] = problemsOf(() => loadConfiguration("/", { kinds: {} }));
  assert.match(problem?.message ?? "", /it is a folder/);
});
