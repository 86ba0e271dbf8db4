import assert from "node:assert/strict";
import { ConfigurationError, formatPath, formatProblem } from "../../src/config/problem.ts";
import { loadConfig, loadText, problemsOf, type Surroundings, toldBy } from "../support/load_text.ts";

const SCREEN = "eventSinks: { console: [{ name: Screen }] }\n";

/** A mistake below `events.config`, and what is told of it: line, column, path below `events.config`, message. */
const MISTAKES: readonly {
  title: string;
  config: string;
  told: readonly string[];
  surroundings?: Surroundings;
}[] = [
  {
    title: "an unknown key",
    config: `maxBatchsize: 5\n${SCREEN}`,
    told: ["3:5 maxBatchsize: unknown key; did you mean maxBatchSize?"],
  },
  {
    title: "an unknown key that resembles none",
    config: `http: { colour: blue }\n${SCREEN}`,
    told: ["3:13 http.colour: unknown key; known are host, port"],
  },
  {
    title: "a misspelt key that had to be there, once",
    config: "eventSinks:\n  webhook:\n    - name: Hook\n      ur: https://example.com\n",
    told: ["6:11 eventSinks.webhook[0].ur: unknown key; did you mean url?"],
  },
  {
    title: "a missing key",
    config: "eventSinks:\n  webhook:\n    - name: Hook\n",
    told: ["5:11 eventSinks.webhook[0].url: is missing"],
  },
  {
    title: "what a login lacks, at the sink that lacks it",
    config:
      "eventSinks:\n  kafka:\n    - name: Hub\n      brokerList: a\n      topic: t\n      saslMechanism: PLAIN\n",
    told: [
      "5:11 eventSinks.kafka[0].saslUsername: is missing; PLAIN needs it",
      "5:11 eventSinks.kafka[0].saslPassword: is missing; PLAIN needs it",
    ],
  },
  {
    title: "a topic that Kafka would not have",
    config:
      "eventSinks:\n  kafka:\n    - { name: Hub, brokerList: a, topic: twins/all, securityProtocol: SSL }\n",
    told: ["5:46 eventSinks.kafka[0].topic: has more than letters, digits, ., _ and -"],
  },
  {
    title: "an unknown kind of sink",
    config: `eventSinks: { webhoks: [], console: [{ name: Screen }] }`,
    told: ["3:19 eventSinks.webhoks: unknown key; did you mean webhook?"],
  },
  { title: "no sink", config: "eventSinks: { kafka: [] }", told: ["3:5 eventSinks: names no sink"] },
  { title: "no sinks at all", config: "maxBatchSize: 5", told: ["3:5 eventSinks: is missing"] },
  {
    title: "a mapping instead of a list",
    config: "eventSinks: { console: { name: Screen } }",
    told: ["3:28 eventSinks.console: expected a list of sinks"],
  },
  {
    title: "a list instead of a mapping",
    config: `source: [host]\n${SCREEN}`,
    told: ["3:13 source: expected keys with values"],
  },
  {
    title: "a key without a value",
    config: `source:\neventRoutes:\n${SCREEN}`,
    told: [
      "3:12 source: has no value; give it one or leave it out",
      "4:17 eventRoutes: has no value; give it one or leave it out",
    ],
  },
  {
    title: "a slot's name that PostgreSQL would refuse",
    config: `source: { slot: My-Slot }\n${SCREEN}`,
    told: ["3:21 source.slot: expected a slot name: a-z, 0-9 and _, at most 63"],
  },
  {
    title: "a number where text belongs",
    config: `source: { password: 0123 }\n${SCREEN}`,
    told: ["3:25 source.password: expected text; put it in quotes"],
  },
  {
    title: "keys that exclude each other",
    config: `source: { password: x, passwordFile: y }\n${SCREEN}`,
    told: ["3:28 source.passwordFile: stands beside password; leave one out"],
  },
  {
    title: "a connection that cannot be made, with the other mistakes",
    config: `source:\n  slot: My-Slot\n  connectionString: "host=a port=hunter2"\n  pot: 5432\n${SCREEN}`,
    surroundings: {
      checkConnection({ connectionString }) {
        throw new Error(`Cannot read '${connectionString}'`);
      },
    },
    told: [
      "4:13 source.slot: expected a slot name: a-z, 0-9 and _, at most 63",
      "5:25 source.connectionString: Cannot read '***'",
      "6:7 source.pot: unknown key; did you mean port?",
    ],
  },
  {
    title: "no connection that can be made of the environment alone",
    config: SCREEN,
    surroundings: {
      checkConnection() {
        throw new Error("no user");
      },
    },
    told: ["3:5 source: no user"],
  },
  {
    title: "a source that is wrong itself, and not what follows from it",
    config: `source: { user: 5, password: "\${UNSET}" }\n${SCREEN}`,
    surroundings: {
      checkConnection() {
        throw new Error("no user");
      },
    },
    told: [
      "3:21 source.user: expected text; put it in quotes if it looks like something else",
      "3:34 source.password: the environment variable UNSET is not set",
    ],
  },
  {
    title: "a part of the connection that is not known, and not what follows from it",
    config: `source: { user: "\${UNSET}", connectionString: host=a }\n${SCREEN}`,
    surroundings: {
      checkConnection() {
        throw new Error("no user");
      },
    },
    told: ["3:21 source.user: the environment variable UNSET is not set"],
  },
  {
    title: "neither false nor an address",
    config: `http: 8080\n${SCREEN}`,
    told: ["3:11 http: expected false, or host and port"],
  },
  {
    title: "a wrong value inside one of two forms",
    config: `http: { port: 99999 }\n${SCREEN}`,
    told: ["3:19 http.port: expected a port from 0 to 65535"],
  },
  {
    title: "a first wait longer than the longest",
    config: `retry: { initial: 1m }\n${SCREEN}`,
    told: ["3:23 retry.initial: is more than max"],
  },
  {
    title: "an unknown key and the keys around it that contradict each other",
    config: `retry: { initial: 1m, attempts: 3 }\n${SCREEN}`,
    told: [
      "3:23 retry.initial: is more than max",
      "3:27 retry.attempts: unknown key; known are initial, max, maxAttempts",
    ],
  },
  {
    title: "a sink's first wait longer than the longest of all",
    config: "eventSinks: { console: [{ name: Screen, retry: { initial: 1m } }] }",
    told: ["3:45 eventSinks.console[0].retry: initial is more than max"],
  },
  {
    title: "two sinks of one name",
    config: "eventSinks:\n  console: [{ name: A }]\n  file: [{ name: A, path: x }]\n",
    told: ["5:22 eventSinks.file[0].name: the sink in line 4 has the same name"],
  },
  {
    title: "a route to no sink",
    config: `${SCREEN}eventRoutes: [{ sinkName: Scren }, { sinkName: Archive }]`,
    told: [
      "4:31 eventRoutes[0].sinkName: no sink has the name 'Scren'; did you mean 'Screen'?",
      "4:52 eventRoutes[1].sinkName: no sink has the name 'Archive'; known are 'Screen'",
    ],
  },
  {
    title: "an unknown format",
    config: `${SCREEN}eventRoutes: [{ sinkName: Screen, eventFormat: DataHistry }]`,
    told: [
      "4:52 eventRoutes[0].eventFormat: expected one of EventNotification, DataHistory, Telemetry; did you mean DataHistory?",
    ],
  },
  {
    title: "type mappings of a kind of event that does not exist",
    config: `${SCREEN}eventRoutes:
  - sinkName: Screen
    typeMappings:
      TwinUpdated: Contoso.Twin.Changed
      Gap: ""
      ModelCreate: "a\\tb"
      ModelUpdate: [x]
`,
    told: [
      "7:11 eventRoutes[0].typeMappings.TwinUpdated: unknown key; did you mean TwinUpdate?",
      "8:16 eventRoutes[0].typeMappings.Gap: is empty",
      "9:24 eventRoutes[0].typeMappings.ModelCreate: expected an event type, such as Contoso.Twin.Changed",
      "10:24 eventRoutes[0].typeMappings.ModelUpdate: expected an event type, such as Contoso.Twin.Changed; " +
      "put it in quotes if it looks like something else",
    ],
  },
  {
    title: "a preset of type mappings that does not exist",
    config:
      "eventSinks: { console: [{ name: A, typeMappings: konektr-graph }, { name: B, typeMappings: [adt] }] }",
    told: [
      "3:54 eventSinks.console[0].typeMappings: expected one of adt, konnektr-graph; did you mean konnektr-graph?",
      "3:96 eventSinks.console[1].typeMappings: expected adt, konnektr-graph, or event types by key",
    ],
  },
  {
    title: "a route with filters in two languages",
    config: `${SCREEN}eventRoutes: [{ sinkName: Screen, filter: "true", cesql: "TRUE" }]`,
    told: ["4:55 eventRoutes[0].cesql: stands beside filter; leave one out"],
  },
  {
    title: "two routes of one name",
    config: `${SCREEN}eventRoutes: [{ sinkName: Screen, name: a }, { sinkName: Screen, name: a }]`,
    told: ["4:76 eventRoutes[1].name: another route has the same name"],
  },
  {
    title: "a variable that is not set, once, and not the routes that may mean it",
    config: "eventSinks: { console: [{ name: ${NAME} }] }\neventRoutes: [{ sinkName: Screen }]",
    told: ["3:37 eventSinks.console[0].name: the environment variable NAME is not set"],
  },
  {
    title: "a variable that is not set, and not what another key would need it for",
    config:
      'eventSinks: { webhook: [{ name: A, url: "https://h", auth: { type: bearer, token: "${TOKEN}" } }] }',
    told: ["3:87 eventSinks.webhook[0].auth.token: the environment variable TOKEN is not set"],
  },
  {
    title: "a reference to a file that is missing",
    config: `source: { password: "\${file:/run/secrets/pw}" }\n${SCREEN}`,
    told: ["3:25 source.password: the file /run/secrets/pw cannot be read: there is no such file"],
  },
  {
    title: "what a reference gave, by the reference",
    config: `${SCREEN}eventRoutes: [{ sinkName: \${SINK} }]`,
    surroundings: { environment: { SINK: "s3cret" } },
    told: ["4:31 eventRoutes[0].sinkName: no sink has the name '${SINK}'; known are 'Screen'"],
  },
  {
    title: "a key that is given twice, with the other mistakes",
    config: `maxBatchSize: 5\nmaxBatchSize: 6\nhtp: false\n${SCREEN}`,
    told: ["4:5 maxBatchSize: given twice, first in line 3", "5:5 htp: unknown key; did you mean http?"],
  },
  {
    title: "an alias without an anchor",
    config: `source: { password: *s3cret }\n${SCREEN}`,
    told: ["3:25 source.password: a '*' that names no anchor ('&') above it; quote the value if it is text"],
  },
  {
    title: "a tag that nobody knows",
    config: `source: { password: !s3cret }\n${SCREEN}`,
    told: [
      "3:25 : a tag ('!') that does not fit; quote the value if it is text",
      "3:33 source.password: is empty",
    ],
  },
  {
    title: "YAML that makes no sense",
    config: `source: { password: "s3cret"x }\n${SCREEN}`,
    told: ["3:33 : text where none is expected; check quotes, brackets and indentation"],
  },
  {
    title: "an alias inside of its own anchor",
    config: `source: &a { graphs: [*a] }\n${SCREEN}`,
    told: ["3:27 source.graphs[0]: an alias inside of what it stands for"],
  },
];

for (const { title, config, told, surroundings } of MISTAKES) {
  Deno.test(`tells of ${title}`, () => {
    assert.deepEqual(toldBy(() => loadConfig(config, surroundings)), told);
  });
}

Deno.test("five mistakes in one file are told together, each with its line, in order", () => {
  const load = () =>
    loadText(`events:
  config:
    source:
      slot: Not A Slot
    eventSinks:
      webhook:
        - name: Hook
          url: https://example.com/events
          timeout: 10
          concurency: 4
      file: [{ name: Hook, path: ./x }]
    eventRoutes:
      - { sinkName: Hok }
`);
  const problems = problemsOf(load);
  assert.deepEqual(problems.map(({ line }) => line), [4, 9, 10, 11, 13]);
  assert.throws(load, (error: unknown) => {
    assert(error instanceof ConfigurationError);
    assert.equal(String(error), problems.map(formatProblem).join("\n"));
    assert.match(
      String(error),
      /^\/etc\/twinrouter\/events\.yaml:10:11 events\.config\.eventSinks\.webhook\[0\]\.concurency: unknown key; did you mean concurrency\?$/m,
    );
    return true;
  });
});

Deno.test("a file without a configuration is told", () => {
  for (const text of ["", "# only a comment\n", "---\n"]) {
    assert.deepEqual(toldBy(() => loadText(text)).map((each) => each.replace(/^\d+:\d+/, "")), [
      " : the file is empty",
    ]);
  }
  assert.deepEqual(toldBy(() => loadText("just text")), ["1:1 : expected keys with values"]);
  assert.deepEqual(toldBy(() => loadText("event: {}")), ["1:1 event: unknown key; did you mean events?"]);
});

Deno.test("an alias bomb is refused at once", () => {
  const levels = Array.from(
    { length: 20 },
    (_, level) =>
      `x-${level}: &a${level} [${Array(10).fill(level === 0 ? "lol" : `*a${level - 1}`).join(", ")}]`,
  );
  const told = toldBy(() => loadText(`${levels.join("\n")}\nevents: { config: { ${SCREEN.trim()} } }`));
  assert(told.some((each) => each.endsWith("more than 50000 values")), told.join("\n"));
});

Deno.test("thousands of brackets are refused", () => {
  const told = toldBy(() => loadText("[".repeat(20_000)));
  assert.equal(told.length, 1);
  const nested = `events: ${"{ a: ".repeat(100)}1${" }".repeat(100)}`;
  assert(toldBy(() => loadText(nested)).some((each) => each.endsWith("more than 64 levels deep")));
});

Deno.test("paths are written so that nothing in a key can disturb a terminal", () => {
  assert.equal(formatPath(["a", "b-c", 0, "$d"]), "a.b-c[0].$d");
  assert.equal(formatPath(["a b", "\x1b[31m\n"]), "['a b']['�[31m�']");
  assert.equal(formatPath(["k".repeat(500)]).length < 100, true);
});

Deno.test("an alias bomb of merged mappings is refused at once", () => {
  const levels = Array.from(
    { length: 20 },
    (_, level) =>
      `x-${level}: &a${level} { <<: [${
        Array(10).fill(level === 0 ? "{ a: b }" : `*a${level - 1}`).join(", ")
      }] }`,
  );
  const told = toldBy(() => loadText(`${levels.join("\n")}\nevents: { config: { ${SCREEN.trim()} } }`));
  assert(told.some((each) => each.endsWith("more than 50000 values")), told.join("\n"));
});

Deno.test("'<<' merges mappings only", () => {
  const told = toldBy(() => loadConfig(`source: { <<: text, user: a }\nhttp: { <<: [[{}]] }\n${SCREEN}`));
  assert.deepEqual(told.map((each) => each.replace(/: '<<'.*/, "")), ["3:19 source", "4:18 http"]);
});
