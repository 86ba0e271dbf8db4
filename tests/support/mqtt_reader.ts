import mqtt, { type IPublishPacket } from "mqtt";
import type { ReceivedEvent } from "./received_event.ts";
import { readMqttEvent } from "./received_mqtt_event.ts";
import { until } from "./until.ts";

/** A message as a subscriber gets it. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
  readonly qos: number;
  /** MQTT 5. */
  readonly properties: IPublishPacket["properties"];
}

/**
 * A subscriber that is told of every message. Its session outlives its connection, so that it misses nothing while the
 * broker is away.
 */
export class MqttReader implements AsyncDisposable {
  readonly messages: ReceivedMessage[] = [];
  readonly #client: mqtt.MqttClient;

  private constructor(client: mqtt.MqttClient) {
    this.#client = client;
    client.on("message", (topic, payload, { retain, qos, properties }) => {
      this.messages.push({ topic, payload: payload.toString(), retain, qos, properties });
    });
  }

  /** Resolves once it is subscribed. */
  static async subscribe(options: mqtt.IClientOptions, topic = "#"): Promise<MqttReader> {
    const client = mqtt.connect({
      host: "127.0.0.1",
      protocol: "mqtt",
      protocolVersion: 5,
      clientId: `reader-${crypto.randomUUID()}`,
      clean: false,
      reconnectPeriod: 50,
      properties: { sessionExpiryInterval: 3600 },
      ...options,
    });
    const reader = new MqttReader(client);
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.once("error", reject);
    });
    await client.subscribeAsync(topic, { qos: 2, rap: true });
    return reader;
  }

  /** Every event so far, in the order of arrival. */
  events(): ReceivedEvent[] {
    return this.messages.map(readMqttEvent);
  }

  /** Resolves once there are so many messages. */
  async received(count: number): Promise<void> {
    await until(
      () => this.messages.length >= count,
      () => `message ${count}; there are ${this.messages.length}`,
    );
  }

  /** Resolves once everything has arrived that the broker had before; what this sends itself is left out. */
  async settled(): Promise<void> {
    const mark = `mark-${crypto.randomUUID()}`;
    await this.#client.publishAsync(mark, mark, { qos: 2 });
    await until(() => this.messages.some(({ topic }) => topic === mark), "the broker to pass on a message");
    this.messages.splice(this.messages.findIndex(({ topic }) => topic === mark), 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync(true);
  }
}
