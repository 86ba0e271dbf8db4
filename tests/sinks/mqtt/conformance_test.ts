import type { IPublishPacket } from "mqtt-packet";
import { options } from "../../../sinks/mqtt/config.ts";
import { createSink } from "../../../sinks/mqtt/mod.ts";
import type { CloudEvent } from "../../../src/event/cloud_event.ts";
import type { SinkErrorKind } from "../../../src/sink/sink_error.ts";
import type { ReceivedEvent } from "../../support/received_event.ts";
import { readMqttEvent } from "../../support/received_mqtt_event.ts";
import { ScriptedBroker } from "../../support/scripted_broker.ts";
import { type FarEnd, testSink } from "../../support/sink_conformance.ts";

const CONTEXT = { name: "Broker", baseDirectory: ".", log: { info() {}, warn() {} } };

/** A scripted broker, which can refuse an event in every way. */
class ScriptedFarEnd implements FarEnd {
  readonly broker = new ScriptedBroker();
  readonly #refused = new Map<string, number>();

  constructor() {
    this.broker.respond = (packet) => this.#refused.get(eventOf(packet).attributes.id) ?? 0;
  }

  received(): Promise<readonly ReceivedEvent[]> {
    return Promise.resolve(this.broker.taken.map(eventOf));
  }

  stall(until: Promise<void>): void {
    this.broker.gate = until;
  }

  async stalled(): Promise<number> {
    await this.broker.received(5);
    return this.broker.publishes.length;
  }

  refuse({ id }: CloudEvent, kind: SinkErrorKind | undefined): void {
    const codes = { retryable: 0x97, rejected: 0x99, fatal: 0x87 } as const;
    if (kind) this.#refused.set(id, codes[kind]);
    else this.#refused.delete(id);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.broker[Symbol.asyncDispose]();
  }
}

function eventOf({ payload, properties }: IPublishPacket): ReceivedEvent {
  return readMqttEvent({ payload: payload.toString(), properties: properties as never });
}

for (const qos of [1, 2]) {
  for (const contentMode of ["structured", "binary"]) {
    const create = (port: number) =>
      createSink(options.parse({ broker: "127.0.0.1", port, topic: "twins", qos, contentMode }), CONTEXT);
    testSink({
      name: `mqtt (scripted, QoS ${qos}, ${contentMode})`,
      start: () => Promise.resolve(new ScriptedFarEnd()),
      create: ({ broker }) => create(broker.port),
      createUnreachable: () => create(2),
    });
  }
}
