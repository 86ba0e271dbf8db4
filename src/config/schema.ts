import { z } from "zod";
import { byteSize, choice, duration, flag, integer, path, port, secret, text } from "./values.ts";

/** The formats that a route can ask for. */
export const EVENT_FORMATS = ["EventNotification", "DataHistory", "Telemetry"] as const;

/** A kind of sink, as far as its configuration goes. */
export interface SinkKind {
  /** What is the kind's own; its description tells what the kind is. */
  readonly options: z.ZodObject;
  /** Of routes that name none. */
  readonly defaultFormat: (typeof EVENT_FORMATS)[number];
  /** Why a sink with these options takes no events of the format, where that is so. */
  readonly refuses?: (
    format: (typeof EVENT_FORMATS)[number],
    options: Readonly<Record<string, unknown>>,
  ) => string | undefined;
}

/** Every kind of sink by its key under `eventSinks`. */
export type SinkKinds = Readonly<Record<string, SinkKind>>;

/** At the top of the file, for anchors that the rest refers to. */
export const FREE_KEY = /^x-/;

/** Of a `retry` whose first wait is longer than its longest. */
export const INITIAL_ABOVE_MAX = "is more than max";

const retryKeys = {
  initial: duration({ min: 1 }).describe(
    "Wait before the first retry; each further wait is about twice as long",
  ),
  max: duration({ min: 1 }).describe("Longest wait between two tries"),
  maxAttempts: integer({ min: 1 }).describe(
    "Tries of one event, while its sink takes others, before it becomes a dead letter",
  ),
};

const queueKeys = {
  maxEvents: integer({ min: 1 }).describe("Events of one sink that wait in memory, at most"),
  maxBytes: byteSize({ min: 1024 }).describe("Size of the events of one sink that wait in memory, at most"),
};

const parkingKeys = {
  parkAfter: duration().describe(
    "How long a sink takes nothing before its events go to the store; less when its queue is full",
  ),
  maxParkedBytes: byteSize().describe("Size of one sink's events in the store, at most; 0 parks none"),
  maxParkedAge: duration({ min: 1 }).describe("How long an event waits in the store, at most"),
  whenFull: choice(["block", "drop-oldest"]).describe(
    "At these limits: hold the replication slot (block), or drop the oldest events and tell of the gap",
  ),
};

const maxBatchSize = integer({ min: 1, max: 100_000 });

const connectionKeys = {
  connectionString: secret().describe(
    "postgres:// URL, keyword string (host=… dbname=…) or .NET style string (Host=…;Database=…); the keys below come before what it says",
  ).exactOptional(),
  host: text().describe("Host name, address or socket folder; several with commas between").exactOptional(),
  port: port().describe("Port; 5432 unless PGPORT says otherwise").exactOptional(),
  database: text().describe("Database that holds the graphs").exactOptional(),
  user: text().describe("Role with the REPLICATION attribute").exactOptional(),
  password: secret().describe("Password of the role").exactOptional(),
  passwordFile: path().describe("File that holds the password").exactOptional(),
  sslMode: choice(["disable", "prefer", "require", "verify-ca", "verify-full"])
    .describe("How far TLS is asked for and the server verified").exactOptional(),
  sslRootCert: path().describe("PEM file of the authorities that vouch for the server").exactOptional(),
  sslCert: path().describe("PEM file of the client's certificate").exactOptional(),
  sslKey: path().describe("PEM file of the client certificate's key").exactOptional(),
};

/** What of a source tells how to reach the server, whatever else it tells. */
export const connectionSchema = z.object(connectionKeys);

const sourceKeys = {
  ...connectionKeys,
  publication: text({ maxLength: 63 }).describe("Publication; made when missing").prefault("age_pub"),
  slot: text({ pattern: /^[a-z0-9_]{1,63}$/, expected: "a slot name: a-z, 0-9 and _, at most 63" })
    .describe("Replication slot; made when missing").prefault("age_slot"),
  graphs: z.array(text({ maxLength: 63 }), { error: "expected a list of graph names" })
    .min(1, "is empty; leave it out for every graph")
    .describe("Graphs to follow; every graph of the database, also later ones, when left out")
    .exactOptional(),
  walSenderTimeout: duration({ min: 500 })
    .describe(
      "PostgreSQL gives the slot to another router when it has not heard this one for so long; at most",
    )
    .prefault("10s"),
  failover: flag().describe("Let a new slot survive a failover (PostgreSQL 17 and later)").prefault(true),
  onSlotLost: choice(["fail", "recreate", "recreate-and-snapshot"])
    .describe(
      "When the slot is gone, given up by the server or older than its publication: stop (fail), or go on with a new one after a Router.Gap event (recreate), and Create events of all that is there",
    )
    .prefault("fail"),
  snapshot: choice(["never", "initial"])
    .describe(
      "Whether a new slot begins with Create events of all that is there already (initial) or not (never)",
    )
    .prefault("never"),
};

/** The types of events, by the keys that `typeMappings` know them by. */
export const TYPE_KEYS = [
  "TwinCreate",
  "TwinUpdate",
  "TwinDelete",
  "RelationshipCreate",
  "RelationshipUpdate",
  "RelationshipDelete",
  "ModelCreate",
  "ModelUpdate",
  "ModelDelete",
  "Telemetry",
  "PropertyEvent",
  "TwinLifecycle",
  "RelationshipLifecycle",
  "Gap",
] as const;

/** The names of whole sets of types. */
export const TYPE_PRESETS = ["adt", "konnektr-graph"] as const;

/** CloudEvents allows neither control characters in a `type` nor code points that are no characters. */
const eventType = text({
  maxLength: 500,
  pattern: /^[ -~\u00a0-\ufdcf\ufdf0-\ufffd]+$/,
  expected: "an event type, such as Contoso.Twin.Changed",
});

const mappedTypes = Object.fromEntries(
  TYPE_KEYS.map((key) => [key, eventType.exactOptional()]),
) as Record<(typeof TYPE_KEYS)[number], z.ZodExactOptional<typeof eventType>>;

const typeMappings = z.union([choice(TYPE_PRESETS), z.strictObject(mappedTypes)], {
  error: "expected adt, konnektr-graph, or event types by key",
}).meta({ id: "TypeMappings" });

const route = z.strictObject({
  name: text({ maxLength: 100 }).describe("For logs and metrics").exactOptional(),
  sinkName: text().describe("Name of the sink that gets the events"),
  eventFormat: choice(EVENT_FORMATS)
    .describe(
      "What the events look like; DataHistory for Kusto and EventNotification for others when left out",
    )
    .exactOptional(),
  filter: text({ maxLength: 10_000 }).describe(
    "Which events, such as type = '…' AND $body.patch.path = '/temperature'; all of them when left out",
  ).exactOptional(),
  cesql: text({ maxLength: 10_000 }).describe(
    "The same in CloudEvents SQL, such as type LIKE '%.Twin.Update'; instead of filter",
  ).exactOptional(),
  typeMappings: typeMappings.describe("Other event types than the sink's; adt changes bodies as well")
    .exactOptional(),
  includeMetadata: flag().describe("Keep what patches leave out of $metadata").prefault(false),
});

/** What can stand in a log line or a metric's label without escapes: words with single spaces between. */
const sinkName = text({
  maxLength: 100,
  pattern: /^[!#-[\]-~\u00a1-\u1fff\u2070-\uffff]+( [!#-[\]-~\u00a1-\u1fff\u2070-\uffff]+)*$/,
  expected: "a name without quotes or backslashes",
});

/** Where a sink gives only one of them, the other is looked at once both are known. */
function initialWithinMax(
  { value, issues }: z.core.ParsePayload<{ initial?: number | undefined; max?: number | undefined }>,
): void {
  const { initial, max } = value;
  if (initial === undefined || max === undefined || initial <= max) return;
  issues.push({ code: "custom", path: ["initial"], message: INITIAL_ABOVE_MAX, input: initial });
}

/** What every sink can say beside its kind's own options. */
const sinkKeys = {
  name: sinkName.describe("Name of the sink, by which routes, logs and metrics know it"),
  maxBatchSize: maxBatchSize.describe("Events in a batch of this sink, at most").exactOptional(),
  retry: z.strictObject(allExactOptional(retryKeys)).check(initialWithinMax).describe("Retries of this sink")
    .meta({ id: "SinkRetry" }).exactOptional(),
  queue: z.strictObject(allExactOptional(queueKeys)).describe("Queue of this sink")
    .meta({ id: "SinkQueue" }).exactOptional(),
  parking: z.strictObject(allExactOptional(parkingKeys)).describe("Parking of this sink's events")
    .meta({ id: "SinkParking" }).exactOptional(),
  typeMappings: typeMappings.describe("Other event types than the usual ones; adt changes bodies as well")
    .exactOptional(),
};

/** The sinks of one kind, as far as all kinds are alike. */
type SinkList = z.ZodExactOptional<z.ZodArray<z.ZodObject<typeof sinkKeys, z.core.$loose>>>;

function sinkList(kind: string, { options }: SinkKind): SinkList {
  const sink: z.ZodType = options.safeExtend(sinkKeys).strict();
  return z.array(sink as SinkList["_zod"]["def"]["innerType"]["element"], {
    error: "expected a list of sinks",
  })
    .describe(options.description ?? `Sinks of the kind ${kind}`).exactOptional();
}

/** The shape of a configuration file, its `x-…` keys aside, with these kinds of sink; made once for each set of kinds. */
export function configurationSchema(kinds: SinkKinds): ConfigurationSchema {
  let schema = schemas.get(kinds);
  if (!schema) schemas.set(kinds, schema = makeSchema(kinds));
  return schema;
}

export type ConfigurationSchema = ReturnType<typeof makeSchema>;

const schemas = new WeakMap<SinkKinds, ConfigurationSchema>();

function makeSchema(kinds: SinkKinds) {
  const sinkLists = Object.fromEntries(Object.entries(kinds).map(([kind, of]) => [kind, sinkList(kind, of)]));
  const config = z.strictObject({
    eventSource: text({
      pattern: /^(?:[!#-;=?-[\]_a-z~]|\{graph\})+$/,
      expected: "a URI, in which {graph} may stand",
    })
      .describe(
        "CloudEvents source; {graph} stands for the graph. postgresql://<host>/<database>/<graph> when left out",
      )
      .exactOptional(),
    trackLastUpdatedBy: flag().describe("Say in data history who updated a property (updatedBy)").prefault(
      false,
    ),
    maxBatchSize: maxBatchSize.describe("Events in a batch, at most").prefault(50),
    source: z.strictObject(sourceKeys)
      .describe(
        "PostgreSQL, by one string or key by key; libpq's environment variables count for what is left out",
      )
      .prefault({}),
    http: z.union([
      z.literal([false, "false"]).transform(() => false as const),
      z.strictObject({
        host: text().describe("Address to listen on").prefault("127.0.0.1"),
        port: port({ any: true }).describe("Port to listen on; 0 lets the system choose").prefault(8080),
      }),
    ], { error: "expected false, or host and port" })
      .describe("Where /livez, /readyz and /metrics are served; false turns them off").prefault({}),
    retry: z.strictObject({
      initial: retryKeys.initial.prefault("200ms"),
      max: retryKeys.max.prefault("30s"),
      maxAttempts: retryKeys.maxAttempts.prefault(10),
    }).check(initialWithinMax).describe("How deliveries are tried again").prefault({}),
    queue: z.strictObject({
      maxEvents: queueKeys.maxEvents.prefault(10_000),
      maxBytes: queueKeys.maxBytes.prefault("64MiB"),
    }).describe("How much waits in memory for each sink").prefault({}),
    watch: flag().describe("Reload the configuration when its file has changed, as SIGHUP does").prefault(
      false,
    ),
    parking: z.strictObject({
      parkAfter: parkingKeys.parkAfter.prefault("30s"),
      maxParkedBytes: parkingKeys.maxParkedBytes.prefault("1GiB"),
      maxParkedAge: parkingKeys.maxParkedAge.prefault("7d"),
      whenFull: parkingKeys.whenFull.prefault("block"),
    }).describe("How events wait in the store for a sink that takes none").prefault({}),
    shutdownTimeout: duration().describe("How long a stop waits for what is in flight").prefault("10s"),
    store: z.union([choice(["postgres"]), z.strictObject({ sqlite: path().describe("File of the store") })], {
      error: "expected postgres, or sqlite with a path",
    })
      .describe(
        "Where dead letters and parked events are kept: the schema digitaltwins_eventing of the source's database, or a SQLite file",
      )
      .prefault("postgres"),
    deadLetterFile: path()
      .describe("File that gets the events which a sink will never take, instead of the store")
      .exactOptional(),
    eventSinks: z.strictObject(sinkLists, { error: "expected kinds of sinks" })
      .describe("Where events go, by kind of sink"),
    eventRoutes: z.array(route, { error: "expected a list of routes" })
      .describe("Which events go to which sink; all events to every sink when left out").exactOptional(),
  });
  return z.strictObject({
    events: z.strictObject({ config: config.describe("The event router") }).describe("Event routing"),
  });
}

type ExactOptional<Shape extends Readonly<Record<string, z.ZodType>>> = {
  [Key in keyof Shape]: z.ZodExactOptional<Shape[Key]>;
};

function allExactOptional<Shape extends Readonly<Record<string, z.ZodType>>>(
  shape: Shape,
): ExactOptional<Shape> {
  const entries = Object.entries(shape).map(([key, schema]) => [key, schema.exactOptional()]);
  return Object.fromEntries(entries) as ExactOptional<Shape>;
}
