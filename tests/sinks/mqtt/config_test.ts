import assert from "node:assert/strict";
import { brokerAddress } from "../../../sinks/mqtt/broker_address.ts";
import { isClean, maxInFlight } from "../../../sinks/mqtt/client_settings.ts";
import { options } from "../../../sinks/mqtt/config.ts";
import { sinkKinds } from "../../../sinks/registry.ts";
import { ConfigurationError } from "../../../src/config/problem.ts";
import { loadConfiguration } from "../../../src/config/load_configuration.ts";
import { TemporaryFolder } from "../../support/temporary_folder.ts";

function read(written: Record<string, unknown>) {
  return options.parse({ broker: "h", topic: "t", ...written });
}

const ADDRESSES: [Record<string, unknown>, string, string][] = [
  [{}, "mqtt://h:1883", ""],
  [{ port: 11883 }, "mqtt://h:11883", ""],
  [{ port: 8883 }, "mqtts://h:8883", ""],
  [{ port: 8883, tls: false }, "mqtt://h:8883", ""],
  [{ tls: true }, "mqtts://h:8883", ""],
  [{ tls: true, port: 1883 }, "mqtts://h:1883", ""],
  [{ caFile: "ca.crt" }, "mqtts://h:8883", ""],
  [{ certFile: "c", keyFile: "k" }, "mqtts://h:8883", ""],
  [{ broker: "::1" }, "mqtt://[::1]:1883", ""],
  [{ broker: "[::1]", port: 8883 }, "mqtts://[::1]:8883", ""],
  [{ broker: "mqtt://broker.example:8883" }, "mqtts://broker.example:8883", ""],
  [{ broker: "mqtts://broker.example", port: 1 }, "mqtts://broker.example:1", ""],
  [{ broker: "ws://h" }, "ws://h:80", "/"],
  [{ broker: "ws://h:8083/mqtt?x=1" }, "ws://h:8083", "/mqtt?x=1"],
  [{ broker: "wss://h/mqtt", caFile: "ca.crt" }, "wss://h:443", "/mqtt"],
];

for (const [written, url, path] of ADDRESSES) {
  Deno.test(`mqtt reaches ${url} when it is told ${JSON.stringify(written)}`, () => {
    const address = brokerAddress(read(written));
    assert.deepEqual([address.url, address.path], [url, path]);
    assert.equal(
      url,
      `${address.protocol}://${url.includes("[") ? `[${address.host}]` : address.host}:${address.port}`,
    );
  });
}

const REFUSED: [Record<string, unknown>, string, RegExp][] = [
  [{ broker: "host:1883" }, "broker", /its port stands in port/],
  [{ broker: "a b" }, "broker", /host name/],
  [{ broker: "http://h" }, "broker", /mqtt:\/\/, mqtts:\/\/, ws:\/\/ or wss:\/\//],
  [{ broker: "mqtt://" }, "broker", /host name/],
  [{ broker: "mqtts://user:s3cret@h" }, "broker", /write username and password/],
  [{ broker: "" }, "broker", /empty/],
  [{ broker: "mqtt://h:1", port: 2 }, "port", /leave one out/],
  [{ broker: "wss://h", tls: true }, "tls", /says it already/],
  [{ broker: "ws://h", caFile: "ca" }, "broker", /write wss/],
  [{ caFile: "ca", tls: false }, "tls", /certificates/],
  [{ topic: "a/+/b" }, "topic", /without wildcards/],
  [{ topic: "a/{subjct}" }, "topic", /\{subjct\}, which is none of id, type/],
  [{ topic: "a/{}" }, "topic", /\{\}/],
  [{ topic: "a/{subject" }, "topic", /brace/],
  [{ topic: "a}" }, "topic", /brace/],
  [{ statusTopic: "a/#" }, "statusTopic", /without wildcards/],
  [{ qos: 3 }, "qos", /from 0 to 2|0 to 2/],
  [{ contentMode: "binary", protocolVersion: "3.1.1" }, "contentMode", /needs protocolVersion 5\.0\.0/],
  [{ certFile: "c" }, "certFile", /keyFile/],
  [{ keyFile: "k" }, "keyFile", /certFile/],
  [{ password: "s3cret" }, "password", /needs username/],
  [{ cleanSession: false, protocolVersion: "3.1.0" }, "cleanSession", /3\.1\.1/],
  [{ clientId: "x".repeat(24), protocolVersion: "3.1.0" }, "clientId", /23/],
  [{ auth: { type: "basic" } }, "auth.type", /oauth2/],
  [{ username: "u", password: "s3cret", auth: oauth() }, "auth", /leave one out/],
  [{ maxInFlight: 0 }, "maxInFlight", /1 to 65535/],
  [{ keepAlive: "1ms" }, "keepAlive", /duration/],
];

function oauth() {
  return { type: "oauth2", tokenUrl: "https://h/token", clientId: "c", clientSecret: "s3cret" };
}

for (const [written, path, message] of REFUSED) {
  Deno.test(`the options of mqtt refuse ${JSON.stringify(written)}`, () => {
    const { error } = options.safeParse({ broker: "h", topic: "t", ...written });
    assert.deepEqual(error?.issues.map((issue) => issue.path.join(".")), [path]);
    assert.match(error.issues[0]?.message ?? "", message);
    assert.doesNotMatch(JSON.stringify(error.issues), /s3cret/);
  });
}

Deno.test("a mistake in the options of mqtt is told with its path and line", async () => {
  await using folder = await TemporaryFolder.make();
  const file = `${folder.path}/events.yaml`;
  await Deno.writeTextFile(
    file,
    `events:
  config:
    source: { connectionString: postgres://h/d }
    eventSinks:
      mqtt:
        - name: Broker
          broker: h
          protocolVersion: 3.1.1
          contentMode: binary
          topic: a/{twin}
        - name: Other
          broker: h
          topic: t
          protocolVersion: 3.1.1
          contentMode: binary
`,
  );
  assert.throws(() => loadConfiguration(file, { kinds: sinkKinds, environment: {} }), (error) => {
    assert(error instanceof ConfigurationError);
    assert.match(error.message, /:10:.*mqtt\[0\]\.topic.*\{twin\}, which is none of/);
    assert.match(error.message, /:15:.*mqtt\[1\]\.contentMode.*needs protocolVersion 5\.0\.0/);
    return true;
  });
});

Deno.test("mqtt keeps its session with QoS 2, unless it is told otherwise or nobody could tell", () => {
  assert.equal(isClean(read({})), true);
  assert.equal(isClean(read({ qos: 2 })), false);
  assert.equal(isClean(read({ qos: 2, protocolVersion: "3.1.0" })), true);
  assert.equal(isClean(read({ qos: 2, cleanSession: true })), true);
  assert.equal(isClean(read({ cleanSession: false })), false);
});

Deno.test("mqtt has fewer events under way where a broker could not say that it drops some", () => {
  assert.equal(maxInFlight(read({})), 1000);
  assert.equal(maxInFlight(read({ qos: 2 })), 1000);
  assert.equal(maxInFlight(read({ qos: 1, protocolVersion: "3.1.1" })), 1000);
  assert.equal(maxInFlight(read({ qos: 2, protocolVersion: "3.1.1" })), 20);
  assert.equal(maxInFlight(read({ qos: 2, protocolVersion: "3.1.1", maxInFlight: 500 })), 500);
});
