import { z } from "zod";
import {
  byteSize,
  choice,
  duration,
  flag,
  integer,
  path,
  port,
  secret,
  text,
} from "../../src/sink/options.ts";
import { oauth2 } from "../../src/sink/oauth2_options.ts";

/** The attributes that a topic may name, and the graph. */
export const TOPIC_ATTRIBUTES = [
  "id",
  "type",
  "source",
  "subject",
  "time",
  "dataschema",
  "partitionkey",
  "sequence",
  "graph",
] as const;

/** `{name}` in a topic. */
export const PLACEHOLDER = /\{([^{}]*)\}/g;

/** A host's name or address, as it stands in a URL or by itself. */
const HOST = /^(\[[0-9a-fA-F:.]+\]|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*|[\p{L}\p{N}._-]+)$/u;
const BROKER_PROTOCOLS = ["mqtt:", "mqtts:", "ws:", "wss:"];

function brokerMistake(broker: string): string | undefined {
  if (!broker.includes("://")) {
    return HOST.test(broker) ? undefined : "expected a host name (its port stands in port) or a URL";
  }
  const parsed = URL.parse(broker);
  if (!parsed || parsed.hostname === "" || !BROKER_PROTOCOLS.includes(parsed.protocol)) {
    return "expected a host name or a URL that begins with mqtt://, mqtts://, ws:// or wss://";
  }
  if (parsed.username !== "" || parsed.password !== "") return "has credentials; write username and password";
  return undefined;
}

function topic() {
  return text({ maxLength: 65_535, pattern: /^[^+#\0]+$/, expected: "a topic without wildcards" });
}

function topicTemplate() {
  return topic().superRefine((template, context) => {
    for (const [, name = ""] of template.matchAll(PLACEHOLDER)) {
      if (TOPIC_ATTRIBUTES.some((each) => each === name)) continue;
      context.addIssue(`has {${name}}, which is none of ${TOPIC_ATTRIBUTES.join(", ")}`);
    }
    if (/[{}]/.test(template.replace(PLACEHOLDER, ""))) {
      context.addIssue("has a brace without its other half");
    }
  });
}

/** Events published to an MQTT broker. */
export const options = z.strictObject({
  broker: text()
    .superRefine((value, context) => {
      const mistake = value === "" ? undefined : brokerMistake(value);
      if (mistake !== undefined) context.addIssue(mistake);
    })
    .describe("The broker's host name, or its URL (mqtt://, mqtts://, ws:// or wss://)"),
  port: port()
    .describe("Its port; default 1883, with TLS 8883, by WebSocket 80 or 443. 8883 means TLS")
    .exactOptional(),
  topic: topicTemplate().describe(
    "The topic, such as digitaltwins/events or digitaltwins/{subject}/{type}. In an attribute's value what a topic " +
      "cannot have is percent-encoded, and a / too, but for the subject's; one that is absent is _",
  ),
  clientId: text().describe("The client identifier; default: one made from the sink's name").exactOptional(),
  username: text().describe("User name").exactOptional(),
  password: secret().describe("Password").exactOptional(),
  auth: z.discriminatedUnion("type", [oauth2], { error: "expected an object whose type is oauth2" })
    .describe(
      "Where to get a token that is sent as the password, a new one whenever the old one nears its end",
    )
    .exactOptional(),
  protocolVersion: choice(["3.1.0", "3.1.1", "5.0.0"]).describe("The MQTT version").prefault("5.0.0"),
  contentMode: choice(["structured", "binary"])
    .describe(
      "CloudEvents as one JSON document, or (MQTT 5) attributes as user properties and data as the payload",
    )
    .prefault("structured"),
  qos: integer({ min: 0, max: 2 })
    .describe("Quality of service. 0 says no more than that the broker has read an event")
    .prefault(1),
  retain: flag().describe("Whether the broker keeps the last event of each topic").prefault(false),
  tls: flag().describe("TLS; default: only when port, URL or certificates ask for it").exactOptional(),
  caFile: path().describe("Certificates (PEM) of the authorities to trust").exactOptional(),
  certFile: path().describe("The client's certificate (PEM), for brokers that ask for one").exactOptional(),
  keyFile: path().describe("The key (PEM) of the client's certificate").exactOptional(),
  keepAlive: duration({ min: 1000, max: 65_535_000 })
    .describe("A broker that is silent for one and a half times as long counts as gone")
    .prefault("30s"),
  maxInFlight: integer({ min: 1, max: 65_535 })
    .describe(
      "Events sent and not yet acknowledged, at most; a broker of MQTT 5 may ask for less. Default: 1000; with qos 2 " +
        "before MQTT 5, 20, because a broker drops what is beyond its own limit and cannot say so",
    )
    .exactOptional(),
  maxPacketSize: byteSize({ min: 256 })
    .describe(
      "Events larger than this are rejected before they are sent; a broker of MQTT 5 tells its own limit",
    )
    .exactOptional(),
  cleanSession: flag()
    .describe(
      "Whether each connection begins without what the last one left unfinished; default: false with qos 2, which " +
        "needs it to double nothing, else true",
    )
    .exactOptional(),
  sessionExpiry: duration({ min: 1000 })
    .describe("How long a broker of MQTT 5 keeps the session of a router that is away")
    .prefault("1h"),
  statusTopic: topic()
    .describe("Where the router says, in retained messages, that it is online or offline (by its last will)")
    .exactOptional(),
  willDelay: duration()
    .describe("How long a broker of MQTT 5 waits before it calls a router offline that is away")
    .prefault("10s"),
}).superRefine((value, context) => {
  const refuse = (key: keyof typeof value, message: string) =>
    context.addIssue({ code: "custom", path: [key], message });
  const { broker, protocolVersion: version } = value;
  if (value.contentMode === "binary" && version !== "5.0.0") {
    refuse("contentMode", "binary needs protocolVersion 5.0.0");
  }
  if (value.port !== undefined && broker.includes("://") && (URL.parse(broker)?.port ?? "") !== "") {
    refuse("port", "stands beside a port in broker; leave one out");
  }
  if (/^(ws|mqtts|wss):/.test(broker) && value.tls !== undefined) {
    refuse("tls", "stands beside a broker's URL that says it already; leave it out");
  }
  if (broker.startsWith("ws:") && (value.caFile ?? value.certFile) !== undefined) {
    refuse("broker", "says ws, which is without TLS; write wss");
  }
  if (value.tls === false && (value.caFile ?? value.certFile) !== undefined) {
    refuse("tls", "is off, yet there are certificates");
  }
  if (value.certFile !== undefined && value.keyFile === undefined) refuse("certFile", "needs keyFile");
  if (value.keyFile !== undefined && value.certFile === undefined) refuse("keyFile", "needs certFile");
  if (value.auth && value.password !== undefined) refuse("auth", "stands beside password; leave one out");
  // MQTT 5 allows it; mqtt.js does not.
  if (value.password !== undefined && value.username === undefined) refuse("password", "needs username");
  if (version === "3.1.0" && value.cleanSession === false) {
    refuse(
      "cleanSession",
      "false needs protocolVersion 3.1.1: before, no broker tells whether it kept a session",
    );
  }
  if (version === "3.1.0" && value.clientId !== undefined && value.clientId.length > 23) {
    refuse("clientId", "is longer than 23 characters, which protocolVersion 3.1.0 has no room for");
  }
});

export type MqttOptions = z.output<typeof options>;
