import { z } from "zod";
import { choice, port, secret, text } from "../../src/sink/options.ts";

/** Events published to an MQTT broker. */
export const options = z.strictObject({
  broker: text().describe("The broker's host name"),
  port: port().describe("Its port; 8883 is the one for TLS").prefault(1883),
  topic: text({ maxLength: 65_535, pattern: /^[^+#\0]+$/, expected: "a topic without wildcards" })
    .describe("The topic, such as digitaltwins/events"),
  clientId: text().describe("The client identifier; default: one made from the sink's name").exactOptional(),
  username: text().describe("User name").exactOptional(),
  password: secret().describe("Password").exactOptional(),
  protocolVersion: choice(["3.1.0", "3.1.1", "5.0.0"]).describe("The MQTT version").prefault("5.0.0"),
});

export type MqttOptions = z.output<typeof options>;
