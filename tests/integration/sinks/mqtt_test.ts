import { options } from "../../../sinks/mqtt/config.ts";
import { createSink } from "../../../sinks/mqtt/mod.ts";
import { hasMosquitto } from "../../support/mosquitto.ts";
import { MqttFarEnd } from "../../support/mqtt_far_end.ts";
import { testSink } from "../../support/sink_conformance.ts";

const CONTEXT = { name: "Broker", baseDirectory: ".", log: { info() {}, warn() {} } };
/** So that a broker's own limits lose nothing of what is read back. */
const SETTINGS = { max_queued_messages: 100_000, max_inflight_messages: 100 };

const CASES = [
  { protocolVersion: "5.0.0", qos: 1, contentMode: "structured" },
  { protocolVersion: "5.0.0", qos: 2, contentMode: "binary" },
  { protocolVersion: "5.0.0", qos: 0, contentMode: "structured" },
  { protocolVersion: "3.1.1", qos: 1, contentMode: "structured" },
  { protocolVersion: "3.1.1", qos: 2, contentMode: "structured" },
  { protocolVersion: "3.1.0", qos: 0, contentMode: "structured" },
  { protocolVersion: "3.1.0", qos: 1, contentMode: "structured" },
  { protocolVersion: "3.1.0", qos: 2, contentMode: "structured" },
] as const;

for (const written of CASES) {
  const { protocolVersion, qos, contentMode } = written;
  const create = (port: number) =>
    createSink(
      options.parse({ ...written, broker: "127.0.0.1", port, topic: "twins/{partitionkey}" }),
      CONTEXT,
    );
  testSink({
    name: `mqtt (${protocolVersion}, QoS ${qos}, ${contentMode})`,
    ignore: !hasMosquitto(),
    start: () => MqttFarEnd.start({ settings: SETTINGS }),
    create: ({ proxy }) => create(proxy.port),
    createUnreachable: () => create(2),
  });
}
