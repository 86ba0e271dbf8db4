import { inRepository } from "./repository.ts";
import type { TokenServer } from "./token_server.ts";

/** The listeners of a test's Kafka, each on a port of its own. */
export const KAFKA_LISTENERS = {
  PLAINTEXT: "PLAINTEXT",
  SASL_PLAINTEXT: "SASL_PLAINTEXT",
  SSL: "SSL",
  SASL_SSL: "SASL_SSL",
  /** Clients are sent on to the port `PROXY`, where a test may listen. */
  PROXIED: "SASL_PLAINTEXT",
  /** Its certificate is for another host. */
  OTHER_NAME: "SSL",
  /** Its certificate's time is over. */
  EXPIRED: "SSL",
  /** Asks for a client certificate. */
  MUTUAL: "SSL",
} as const;

export type KafkaListener = keyof typeof KAFKA_LISTENERS;
export type KafkaPorts = Readonly<Record<KafkaListener | "CONTROLLER" | "PROXY", number>>;

/** Who may log in by PLAIN or SCRAM; "router" is no super user, so that permissions can be taken from it. */
export const KAFKA_USER = { saslUsername: "router", saslPassword: "pa55 wörd" };

const HOST = "127.0.0.1";
const MODULES = "org.apache.kafka.common.security";

/** The `server.properties` of one node that is broker and controller, made for quick starts. */
export async function kafkaProperties(
  ports: KafkaPorts,
  dataFolder: string,
  tokens: TokenServer | undefined,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const listeners = Object.keys(KAFKA_LISTENERS) as KafkaListener[];
  const address = (name: KafkaListener | "CONTROLLER") => `${name}://${HOST}:${ports[name]}`;
  const protocols = listeners.map((name) => `${name}:${KAFKA_LISTENERS[name]}`);
  const properties: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@${HOST}:${ports.CONTROLLER}`,
    "controller.listener.names": "CONTROLLER",
    "listeners": [...listeners, "CONTROLLER" as const].map(address).join(","),
    "advertised.listeners": listeners.map(address).join(",").replace(
      address("PROXIED"),
      `PROXIED://${HOST}:${ports.PROXY}`,
    ),
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": [...protocols, "CONTROLLER:PLAINTEXT"].join(","),
    "log.dirs": dataFolder,
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    // A broker that was killed comes back only when its earlier session is over.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "message.max.bytes": "2200000",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" + (tokens ? ",OAUTHBEARER" : ""),
    ...await tlsProperties(),
  };
  for (const listener of ["SASL_PLAINTEXT", "SASL_SSL", "PROXIED"]) {
    Object.assign(properties, saslProperties(`listener.name.${listener.toLowerCase()}`, tokens));
  }
  if (tokens) {
    properties["sasl.oauthbearer.jwks.endpoint.url"] = tokens.keysUrl;
    properties["sasl.oauthbearer.expected.audience"] = tokens.audience;
    properties["sasl.oauthbearer.expected.issuer"] = tokens.issuer;
    properties["sasl.oauthbearer.clock.skew.seconds"] = "0";
    // The default one takes any token.
    properties["sasl.oauthbearer.jwt.validator.class"] = `${MODULES}.oauthbearer.BrokerJwtValidator`;
  }
  return Object.entries({ ...properties, ...settings }).map(([key, value]) => `${key}=${escaped(value)}\n`)
    .join("");
}

function saslProperties(listener: string, tokens: TokenServer | undefined): Record<string, string> {
  const { saslUsername, saslPassword } = KAFKA_USER;
  const properties: Record<string, string> = {
    [`${listener}.plain.sasl.jaas.config`]:
      `${MODULES}.plain.PlainLoginModule required user_${saslUsername}="${saslPassword}";`,
  };
  for (const mechanism of ["scram-sha-256", "scram-sha-512"]) {
    properties[`${listener}.${mechanism}.sasl.jaas.config`] = `${MODULES}.scram.ScramLoginModule required;`;
  }
  if (!tokens) return properties;
  const module = `${MODULES}.oauthbearer.OAuthBearerLoginModule required;`;
  properties[`${listener}.oauthbearer.sasl.jaas.config`] = module;
  properties[`${listener}.oauthbearer.sasl.server.callback.handler.class`] =
    `${MODULES}.oauthbearer.OAuthBearerValidatorCallbackHandler`;
  return properties;
}

async function tlsProperties(): Promise<Record<string, string>> {
  const certificates = { SSL: "server", SASL_SSL: "server", MUTUAL: "server" } as const;
  const all = { ...certificates, OTHER_NAME: "server_other_name", EXPIRED: "expired" };
  const properties: Record<string, string> = {};
  for (const [listener, certificate] of Object.entries(all)) {
    const prefix = `listener.name.${listener.toLowerCase()}`;
    properties[`${prefix}.ssl.keystore.type`] = "PEM";
    properties[`${prefix}.ssl.keystore.certificate.chain`] = await fixture(`${certificate}.crt`);
    properties[`${prefix}.ssl.keystore.key`] = await fixture(`${certificate}.key`);
    properties[`${prefix}.ssl.truststore.type`] = "PEM";
    properties[`${prefix}.ssl.truststore.certificates`] = await fixture("ca.crt");
  }
  properties["listener.name.mutual.ssl.client.auth"] = "required";
  return properties;
}

function fixture(name: string): Promise<string> {
  return Deno.readTextFile(inRepository("tests/fixtures/tls", name));
}

/** As `java.util.Properties` reads it: all that is not ASCII as `\uXXXX`. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
