import { z } from "zod";
import { choice, secret, text } from "../../src/sink/options.ts";

/** Events in a Kafka topic or an Azure Event Hub. */
export const options = z.strictObject({
  brokerList: text({
    pattern: /^[^\s,:]+(:\d{1,5})?(\s*,\s*[^\s,:]+(:\d{1,5})?)*$/,
    expected: "brokers such as one.example.com:9093,two.example.com:9093",
  }).describe("Brokers to begin with, separated by commas; the port is 9093 where none is given"),
  topic: text({ maxLength: 249, pattern: /^[A-Za-z0-9._-]+$/, expected: "a topic's name" })
    .describe("The topic, or the event hub's name"),
  saslMechanism: choice(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
    .describe("How to log in; OAUTHBEARER for Azure Event Hubs with Azure credentials")
    .exactOptional(),
  saslUsername: text().describe("User name, for PLAIN and SCRAM").exactOptional(),
  saslPassword: secret().describe("Password, for PLAIN and SCRAM").exactOptional(),
});

export type KafkaOptions = z.output<typeof options>;
