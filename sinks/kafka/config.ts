import { z } from "zod";
import { byteSize, choice, duration, flag, path, secret, text, url } from "../../src/sink/options.ts";

/** Attributes that a topic may name, and the graph. */
export const TOPIC_ATTRIBUTES = ["id", "type", "source", "subject", "partitionkey", "graph"] as const;

/** `{name}` in a topic. */
export const PLACEHOLDER = /\{([^{}]*)\}/g;

/** Of Kafka's names of topics, which have ASCII letters, digits, `.`, `_` and `-`. */
export const LONGEST_TOPIC = 249;

/** What keeps a template from naming topics, if anything does. */
function topicMistake(template: string): string | undefined {
  for (const [, name = ""] of template.matchAll(PLACEHOLDER)) {
    if (!TOPIC_ATTRIBUTES.some((each) => each === name)) {
      return `has {${name}}, which is none of ${TOPIC_ATTRIBUTES.join(", ")}`;
    }
  }
  const literal = template.replace(PLACEHOLDER, "");
  if (!/^[A-Za-z0-9._-]*$/.test(literal)) return "has more than letters, digits, ., _ and -";
  if (template === "." || template === "..") return "is no name that Kafka allows";
  if (literal.length > LONGEST_TOPIC) return `is longer than ${LONGEST_TOPIC} characters`;
  return undefined;
}

/** Events in a Kafka topic or an Azure Event Hub. */
export const options = z.strictObject({
  brokerList: text({
    pattern: /^[^\s,:]+(:\d{1,5})?(\s*,\s*[^\s,:]+(:\d{1,5})?)*$/,
    expected: "brokers such as one.example.com:9093,two.example.com:9093",
  }).describe("Brokers to begin with, separated by commas; the port is 9093 where none is given"),
  topic: text()
    .superRefine((template, context) => {
      const mistake = topicMistake(template);
      if (mistake !== undefined) context.addIssue(mistake);
    })
    .describe(
      "The topic, or the event hub's name; {type}, {subject}, {source}, {partitionkey}, {id} and {graph} stand for the event's own",
    ),
  contentMode: choice(["binary", "structured"])
    .describe("CloudEvents as attributes in headers and data in the value, or as one JSON document")
    .prefault("binary"),
  securityProtocol: choice(["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
    .describe("Whether connections are encrypted and logged in")
    .prefault("SASL_SSL"),
  saslMechanism: choice(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
    .describe("How to log in; OAUTHBEARER for Azure Event Hubs with Azure credentials")
    .exactOptional(),
  saslUsername: text().describe("User name, for PLAIN and SCRAM").exactOptional(),
  saslPassword: secret().describe("Password, for PLAIN and SCRAM").exactOptional(),
  tokenEndpoint: url().describe(
    "Where OAUTHBEARER gets its tokens; for brokers of Azure Event Hubs from Microsoft Entra ID when left out",
  ).exactOptional(),
  tenantId: text().describe("The tenant, for OAUTHBEARER with Microsoft Entra ID").exactOptional(),
  clientId: text().describe("The client that tokens are for, or a managed identity's").exactOptional(),
  clientSecret: secret().describe("The client's secret").exactOptional(),
  scope: text().describe("Scopes of the tokens, separated by spaces").exactOptional(),
  caFile: path()
    .describe("Certificates (PEM) of authorities to trust, besides the well-known ones")
    .exactOptional(),
  certFile: path().describe("Certificate (PEM) that the router shows to the brokers").exactOptional(),
  keyFile: path().describe("Key (PEM) of that certificate").exactOptional(),
  compression: choice(["none", "gzip", "snappy", "lz4", "zstd"])
    .describe("How requests are compressed; Azure Event Hubs takes gzip only")
    .prefault("none"),
  delivery: choice(["at-least-once", "exactly-once"])
    .describe("With exactly-once each batch is a transaction of Kafka's, with the position in the stream")
    .prefault("at-least-once"),
  transactionalId: text()
    .describe("Of exactly-once delivery; made of database cluster, slot and sink when left out")
    .exactOptional(),
  positionTopic: text({ maxLength: 249, pattern: /^[A-Za-z0-9._-]+$/, expected: "a topic's name" })
    .describe("Compacted topic of the positions of exactly-once delivery; made when missing")
    .prefault("twinrouter-positions"),
  idempotent: flag()
    .describe("Let brokers drop what a library sends again after a lost connection")
    .prefault(true),
  maxRequestBytes: byteSize({ min: 10_000, max: 100_000_000 })
    .describe(
      "Size of one request before compression, at most; an event that is larger becomes a dead letter",
    )
    .prefault("1MB"),
  timeout: duration({ min: 100 })
    .describe("How long a broker may take to answer")
    .prefault("30s"),
}).superRefine((options, context) => {
  for (const { path, message } of misfits(options)) {
    context.addIssue({ code: "custom", path: [path], message });
  }
});

export type KafkaOptions = z.output<typeof options>;

interface Misfit {
  readonly path: string;
  readonly message: string;
}

/** What keys say against each other, or lack. */
function* misfits(options: Readonly<Record<string, unknown>>): Iterable<Misfit> {
  const { securityProtocol, saslMechanism, brokerList, tokenEndpoint } = options;
  const has = (key: string) => options[key] !== undefined;
  const isSasl = String(securityProtocol).startsWith("SASL_");
  if (isSasl && !has("saslMechanism")) {
    yield {
      path: "saslMechanism",
      message:
        `is missing, though securityProtocol is ${securityProtocol}; without a login it is SSL or PLAINTEXT`,
    };
  }
  if (!isSasl && has("saslMechanism")) {
    yield { path: "saslMechanism", message: `has no use while securityProtocol is ${securityProtocol}` };
  }
  if (isSasl && saslMechanism !== undefined) {
    for (const key of neededBy(String(saslMechanism), String(brokerList), tokenEndpoint !== undefined)) {
      if (!has(key)) yield { path: key, message: `is missing; ${saslMechanism} needs it` };
    }
  }
  if (has("clientSecret") && !has("clientId")) {
    yield { path: "clientId", message: "is missing beside clientSecret" };
  }
  if (has("clientSecret") && isEventHubs(String(brokerList)) && !has("tokenEndpoint") && !has("tenantId")) {
    yield { path: "tenantId", message: "is missing beside clientSecret" };
  }
  if (options["delivery"] === "exactly-once" && options["idempotent"] === false) {
    yield { path: "idempotent", message: "is false, which exactly-once delivery cannot do with" };
  }
  if (has("certFile") !== has("keyFile")) {
    yield {
      path: has("certFile") ? "keyFile" : "certFile",
      message: `is missing beside ${has("certFile") ? "certFile" : "keyFile"}`,
    };
  }
}

function neededBy(saslMechanism: string, brokerList: string, hasEndpoint: boolean): readonly string[] {
  if (saslMechanism !== "OAUTHBEARER") return ["saslUsername", "saslPassword"];
  if (!hasEndpoint && isEventHubs(brokerList)) return [];
  return ["tokenEndpoint", "clientId", "clientSecret"];
}

/** Whether the (first) broker is one of Azure Event Hubs. */
export function isEventHubs(brokerList: string): boolean {
  return /^[^\s,:]+\.servicebus\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)(:|,|\s|$)/i.test(
    brokerList,
  );
}
