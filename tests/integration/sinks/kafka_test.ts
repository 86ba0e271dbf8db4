import type { Sink } from "../../../src/sink/sink.ts";
import { hasKafka } from "../../support/kafka_binaries.ts";
import { KAFKA_USER } from "../../support/kafka_properties.ts";
import { KafkaProxy } from "../../support/kafka_proxy.ts";
import { KafkaServer } from "../../support/kafka_server.ts";
import { kafkaSink } from "../../support/kafka_sink.ts";
import { createTopics, readEvents } from "../../support/kafka_topics.ts";
import type { ReceivedEvent } from "../../support/received_event.ts";
import { type FarEnd, testSink } from "../../support/sink_conformance.ts";

let server: KafkaServer;

Deno.test.beforeAll(async () => {
  if (hasKafka()) server = await KafkaServer.start();
});

Deno.test.afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** A topic of its own on the shared server, and a proxy before it. */
class KafkaFarEnd implements FarEnd {
  readonly proxy = new KafkaProxy(server.port("PROXY"), server.port("PROXIED"));

  private constructor(readonly topic: string) {}

  static async start(): Promise<KafkaFarEnd> {
    const topic = `conformance-${crypto.randomUUID()}`;
    await createTopics(server.client(), [topic]); // of one partition: then the order of arrival can be read
    return new KafkaFarEnd(topic);
  }

  received(): Promise<readonly ReceivedEvent[]> {
    return readEvents(server.client(), [this.topic]);
  }

  stall(until: Promise<void>): void {
    this.proxy.hold(until);
  }

  /** The suite's stalled batches have five events, which are one request. */
  async stalled(): Promise<number> {
    await this.proxy.producedMore(1);
    return 5;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
  }
}

function sink(other: Record<string, unknown>): Sink {
  return kafkaSink({
    brokerList: `127.0.0.1:${server.port("PROXY")}`,
    securityProtocol: "SASL_PLAINTEXT",
    saslMechanism: "PLAIN",
    ...KAFKA_USER,
    maxRequestBytes: "2MB",
    ...other,
  });
}

for (const contentMode of ["binary", "structured"] as const) {
  testSink({
    name: `kafka (${contentMode})`,
    ignore: !hasKafka(),
    start: () => KafkaFarEnd.start(),
    create: ({ topic }) => sink({ topic, contentMode }),
    createUnreachable: () => sink({ topic: "any", brokerList: "127.0.0.1:2", contentMode }),
  });
}
