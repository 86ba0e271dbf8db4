import assert from "node:assert/strict";
import { options } from "../../../sinks/mqtt/config.ts";
import { createSink } from "../../../sinks/mqtt/mod.ts";
import { cloudEvents } from "../../support/cloud_events.ts";
import { hasMosquitto } from "../../support/mosquitto.ts";
import { MosquittoServer } from "../../support/mosquitto_server.ts";
import { MqttReader } from "../../support/mqtt_reader.ts";
import { inRepository } from "../../support/repository.ts";
import { assertArrived, deliver, failureOf } from "../../support/sink_conformance.ts";
import { WebSocketBridge } from "../../support/websocket_bridge.ts";

const ignore = !hasMosquitto();
const NEVER = new AbortController().signal;
const FIXTURES = inRepository("tests/fixtures/tls");
const SERVER = { cert: `${FIXTURES}/server.crt`, key: `${FIXTURES}/server.key` };

function mqttSink(written: Record<string, unknown>) {
  const parsed = options.parse({ broker: "127.0.0.1", topic: "twins", ...written });
  return createSink(parsed, { name: "Broker", baseDirectory: FIXTURES, log: { info() {}, warn() {} } });
}

for (const protocolVersion of ["5.0.0", "3.1.1", "3.1.0"]) {
  Deno.test(
    { name: `mqtt (${protocolVersion}) delivers by TLS, and shows a certificate of its own`, ignore },
    async () => {
      await using server = await MosquittoServer.start({
        tls: { ...SERVER, clientCa: `${FIXTURES}/ca.crt` },
      });
      const [ca, cert, key] = await Promise.all(
        ["ca.crt", "client.crt", "client.key"].map((name) => Deno.readTextFile(`${FIXTURES}/${name}`)),
      );
      await using reader = await MqttReader.subscribe({
        port: server.port,
        protocol: "mqtts",
        ca: ca ?? "",
        cert: cert ?? "",
        key: key ?? "",
      });
      const own = {
        port: server.port,
        protocolVersion,
        caFile: "ca.crt",
        certFile: "client.crt",
        keyFile: "client.key",
      };
      for (const broker of ["127.0.0.1", "localhost", `mqtts://localhost`]) {
        await using sink = mqttSink({ ...own, broker });
        reader.messages.length = 0;
        assert.deepEqual(await deliver(sink, cloudEvents(20)), []);
        await reader.settled();
        assertArrived(reader.events(), cloudEvents(20));
      }
      await using stranger = mqttSink({ port: server.port, protocolVersion, caFile: "ca.crt" });
      assert.equal((await failureOf(stranger.connect(NEVER))).kind, "retryable");
    },
  );
}

const UNTRUSTED: [string, { cert: string; key: string }, string, RegExp][] = [
  ["that another authority signed", SERVER, "other_ca.crt", /certificate|UnknownIssuer|self.signed/i],
  [
    "that has ended",
    { cert: `${FIXTURES}/expired.crt`, key: `${FIXTURES}/expired.key` },
    "expired.crt",
    /certificate|expired/i,
  ],
  [
    "of another host",
    { cert: `${FIXTURES}/server_other_name.crt`, key: `${FIXTURES}/server_other_name.key` },
    "ca.crt",
    /name|altname|host/i,
  ],
];

for (const [what, tls, caFile, message] of UNTRUSTED) {
  Deno.test({ name: `mqtt trusts no certificate ${what}`, ignore }, async () => {
    await using server = await MosquittoServer.start({ tls });
    for (const broker of ["127.0.0.1", "localhost"]) {
      await using sink = mqttSink({ broker, port: server.port, caFile });
      const error = await failureOf(sink.connect(NEVER));
      assert.equal(error.kind, "retryable");
      assert.match(error.message, message);
    }
  });
}

Deno.test({ name: "mqtt trusts no authority that it was not told of", ignore }, async () => {
  await using server = await MosquittoServer.start({ tls: SERVER });
  await using sink = mqttSink({ port: server.port, tls: true });
  assert.match((await failureOf(sink.connect(NEVER))).message, /certificate|issuer/i);
});

Deno.test("mqtt says which certificate it cannot read", async () => {
  await using sink = mqttSink({ port: 2, caFile: "no-such-file.pem" });
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "fatal");
  assert.match(error.message, /^Cannot read caFile .*no-such-file\.pem: No such file/);
});

for (const scheme of ["ws", "wss"] as const) {
  Deno.test({ name: `mqtt delivers by WebSocket (${scheme})`, ignore }, async () => {
    await using server = await MosquittoServer.start();
    await using reader = await MqttReader.subscribe({ port: server.port });
    await using bridge = await WebSocketBridge.listen(server.port, scheme === "wss" ? SERVER : undefined);
    for (const [protocolVersion, subprotocol] of [["5.0.0", "mqtt"], ["3.1.0", "mqttv3.1"]]) {
      await using sink = mqttSink({
        broker: `${scheme}://localhost:${bridge.port}/mqtt?x=1`,
        protocolVersion,
        ...(scheme === "wss" && { caFile: "ca.crt" }),
      });
      reader.messages.length = 0;
      assert.deepEqual(await deliver(sink, cloudEvents(20)), []);
      await reader.settled();
      assertArrived(reader.events(), cloudEvents(20));
      assert.deepEqual(bridge.requests.at(-1), { path: "/mqtt?x=1", subprotocol });
    }
    if (scheme === "ws") return;
    await using stranger = mqttSink({ broker: `wss://localhost:${bridge.port}/mqtt` });
    assert.match((await failureOf(stranger.connect(NEVER))).message, /certificate|issuer/i);
  });
}
