import assert from "node:assert/strict";
import { options } from "../../../sinks/mqtt/config.ts";
import { createSink } from "../../../sinks/mqtt/mod.ts";
import { cloudEvent } from "../../support/cloud_events.ts";
import { hasMosquitto } from "../../support/mosquitto.ts";
import { MqttFarEnd } from "../../support/mqtt_far_end.ts";
import { MqttReader } from "../../support/mqtt_reader.ts";
import { deliver } from "../../support/sink_conformance.ts";
import { until } from "../../support/until.ts";

const ignore = !hasMosquitto();
const NEVER = new AbortController().signal;

for (const protocolVersion of ["5.0.0", "3.1.1", "3.1.0"]) {
  Deno.test({
    name:
      `mqtt (${protocolVersion}) tells at its status topic whether it is there, also when it cannot say so`,
    ignore,
  }, async () => {
    await using farEnd = await MqttFarEnd.start();
    const { reader, proxy, server } = farEnd;
    const parsed = options.parse({
      broker: "127.0.0.1",
      port: proxy.port,
      protocolVersion,
      topic: "twins",
      statusTopic: "router/status",
      willDelay: "0s",
    });
    const sink = createSink(parsed, { name: "Broker", baseDirectory: ".", log: { info() {}, warn() {} } });
    const said = () =>
      reader.messages.filter(({ topic }) => topic === "router/status").map(({ payload }) => payload);
    const says = (...expected: string[]) =>
      until(() => said().length >= expected.length, () => `${expected}: ${said()}`);
    await sink.connect(NEVER);
    await says("online");
    proxy.cut();
    await says("online", "offline");
    await until(async () => (await deliver(sink, [cloudEvent(1)])).length === 0, "a new connection");
    await says("online", "offline", "online");
    await sink[Symbol.asyncDispose]();
    await reader.settled();
    assert.deepEqual(said(), ["online", "offline", "online", "offline"]);

    await using latecomer = await MqttReader.subscribe({ port: server.port }, "router/status");
    await latecomer.received(1);
    const [{ payload, retain } = { payload: "", retain: false }] = latecomer.messages;
    assert.deepEqual([payload, retain], ["offline", true]);
  });
}

Deno.test({ name: "mqtt can have the broker keep the last event of each twin", ignore }, async () => {
  await using farEnd = await MqttFarEnd.start();
  const written = { broker: "127.0.0.1", port: farEnd.proxy.port, topic: "twins/{subject}", retain: true };
  await using sink = createSink(options.parse(written), {
    name: "Broker",
    baseDirectory: ".",
    log: { info() {}, warn() {} },
  });
  const events = [1, 2, 3].map((number) => cloudEvent(number, { partitionkey: `room-${number % 2}` }));
  assert.deepEqual(await deliver(sink, events), []);
  await using latecomer = await MqttReader.subscribe({ port: farEnd.server.port }, "twins/#");
  await latecomer.received(2);
  assert.deepEqual(latecomer.events().map(({ attributes }) => attributes.id).sort(), [
    "room-0-2",
    "room-1-3",
  ]);
});
