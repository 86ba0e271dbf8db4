import assert from "node:assert/strict";
import { hasKafka } from "../../support/kafka_binaries.ts";
import { KAFKA_USER } from "../../support/kafka_properties.ts";
import { KafkaProxy } from "../../support/kafka_proxy.ts";
import { KafkaServer } from "../../support/kafka_server.ts";
import { kafkaSink } from "../../support/kafka_sink.ts";
import { createTopics, readEvents } from "../../support/kafka_topics.ts";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { assertArrived, deliver, failureOf } from "../../support/sink_conformance.ts";
import { TOKEN_CLIENT, TokenServer } from "../../support/token_server.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
/** Logins by password through the proxy last 3.5 s, those by token as long as the token. */
const SHORT_LOGINS = MECHANISMS.slice(0, 3).map((mechanism) => [
  `listener.name.proxied.${mechanism.toLowerCase()}.connections.max.reauth.ms`,
  "3500",
]);
const CA = { caFile: "tests/fixtures/tls/ca.crt" };

let tokens: TokenServer;
let server: KafkaServer;

Deno.test.beforeAll(async () => {
  if (!hasKafka()) return;
  tokens = await TokenServer.start();
  server = await KafkaServer.start({ tokens, settings: Object.fromEntries(SHORT_LOGINS) });
});

Deno.test.afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await tokens?.[Symbol.asyncDispose]();
});

function test(name: string, body: (topic: string) => Promise<void>): void {
  Deno.test(`kafka ${name}`, { ignore: !hasKafka() }, async () => {
    const topic = `login-${crypto.randomUUID()}`;
    await createTopics(server.client(), [topic]);
    await body(topic);
  });
}

/** What logs in by each mechanism. */
function loginBy(saslMechanism: string): Record<string, unknown> {
  return saslMechanism === "OAUTHBEARER"
    ? { saslMechanism, tokenEndpoint: tokens.tokenUrl, ...TOKEN_CLIENT }
    : { saslMechanism, ...KAFKA_USER };
}

for (const securityProtocol of ["SASL_PLAINTEXT", "SASL_SSL"] as const) {
  for (const mechanism of MECHANISMS) {
    test(`logs in by ${mechanism} over ${securityProtocol}`, async (topic) => {
      const brokerList = server.address(securityProtocol);
      const tls = securityProtocol === "SASL_SSL" ? CA : {};
      await using sink = kafkaSink({ brokerList, topic, securityProtocol, ...tls, ...loginBy(mechanism) });
      await sink.connect(NEVER);
      assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
      assertArrived(await readEvents(server.client(), [topic]), cloudEvents(3));
    });
  }
}

for (const mechanism of MECHANISMS) {
  test(`is down when its ${mechanism} login is refused, and shows no secret`, async (topic) => {
    const refused = { ...loginBy(mechanism), saslPassword: "wr0ng", clientSecret: "wr0ng" };
    const login = Object.fromEntries(
      Object.entries(refused).filter(([key]) =>
        mechanism === "OAUTHBEARER" ? !key.startsWith("saslPass") : key !== "clientSecret"
      ),
    );
    const brokerList = server.address("SASL_PLAINTEXT");
    await using sink = kafkaSink({ brokerList, topic, securityProtocol: "SASL_PLAINTEXT", ...login });
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "fatal", error.message);
    assert.match(error.message, /^Cannot /);
    assert.doesNotMatch(Deno.inspect(error, { depth: 10 }), /wr0ng/);
  });
}

test("is down when the broker does not know the mechanism", async (topic) => {
  const brokerList = server.address("SASL_PLAINTEXT");
  const login = { saslMechanism: "PLAIN", saslUsername: "nobody", saslPassword: "x" };
  await using sink = kafkaSink({ brokerList, topic, securityProtocol: "SASL_PLAINTEXT", ...login });
  assert.equal((await failureOf(sink.connect(NEVER))).kind, "fatal");
});

test("asks for another token when one is refused, once", async (topic) => {
  const brokerList = server.address("SASL_PLAINTEXT");
  const written = { brokerList, topic, securityProtocol: "SASL_PLAINTEXT", ...loginBy("OAUTHBEARER") };
  await using sink = kafkaSink(written);
  tokens.forged = 1;
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);

  await using other = kafkaSink(written);
  tokens.forged = 10;
  const given = tokens.given;
  const error = await failureOf(other.connect(NEVER));
  tokens.forged = 0;
  assert.equal(error.kind, "fatal", error.message);
  assert.equal(tokens.given, given + 2);
});

test("waits while no token is to be had", async (topic) => {
  const login = { ...loginBy("OAUTHBEARER"), tokenEndpoint: "http://127.0.0.1:2/token" };
  const brokerList = server.address("SASL_PLAINTEXT");
  await using sink = kafkaSink({ brokerList, topic, securityProtocol: "SASL_PLAINTEXT", ...login });
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "retryable", error.message);
});

test("logs in again before its login ends, on the same connection", async (topic) => {
  tokens.lifetime = 9; // renewed after 6.75 s
  await using proxy = new KafkaProxy(server.port("PROXY"), server.port("PROXIED"));
  const brokerList = server.address("PROXY");
  await using sinks = new AsyncDisposableStack();
  const started = performance.now();
  const given = tokens.given;
  const all = MECHANISMS.map((mechanism) =>
    sinks.use(kafkaSink({ brokerList, topic, securityProtocol: "SASL_PLAINTEXT", ...loginBy(mechanism) }))
  );
  for (const sink of all) {
    await sink.connect(NEVER);
    assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  }
  const { connections } = proxy.tcp;
  await until(async () => {
    for (const sink of all) assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
    return performance.now() - started > 8_500;
  }, "the first token's time to be over");
  tokens.lifetime = 3600;
  assert.equal(proxy.tcp.connections, connections);
  assert.equal(tokens.given, given + 2);
});

test("encrypts without a login", async (topic) => {
  await using sink = kafkaSink({
    brokerList: server.address("SSL", "localhost"),
    topic,
    securityProtocol: "SSL",
    ...CA,
  });
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  assert.equal((await readEvents(server.client(), [topic])).length, 1);
});

test("shows its certificate to a broker that asks for one", async (topic) => {
  const certificate = { certFile: "tests/fixtures/tls/client.crt", keyFile: "tests/fixtures/tls/client.key" };
  const written = { brokerList: server.address("MUTUAL"), topic, securityProtocol: "SSL", ...CA };
  await using sink = kafkaSink({ ...written, ...certificate });
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  await using without = kafkaSink(written);
  const error = await failureOf(without.connect(NEVER));
  assert.equal(error.kind, "retryable", error.message);
});

const UNTRUSTED = [
  ["of an authority that it does not know", "SSL", {}],
  ["of another authority", "SSL", { caFile: "tests/fixtures/tls/other_ca.crt" }],
  ["for another host", "OTHER_NAME", CA],
  ["whose time is over", "EXPIRED", { caFile: "tests/fixtures/tls/expired.crt" }],
] as const;

for (const [what, listener, trust] of UNTRUSTED) {
  test(`does not talk to a broker with a certificate ${what}`, async (topic) => {
    const written = { brokerList: server.address(listener), topic, securityProtocol: "SSL", ...trust };
    await using sink = kafkaSink(written);
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "retryable", error.message);
    assert.match(error.message, /certificate|self.signed|issuer|altname/i);
  });
}

test("says which file it cannot read", async (topic) => {
  const written = {
    brokerList: server.address("SSL"),
    topic,
    securityProtocol: "SSL",
    caFile: "nowhere.pem",
  };
  await using sink = kafkaSink(written);
  assert.match((await failureOf(sink.connect(NEVER))).message, /^Cannot read nowhere\.pem/);
});
