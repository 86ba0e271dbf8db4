import type { Sink } from "../../src/sink/sink.ts";
import { hasKafka } from "./kafka_binaries.ts";
import { KafkaServer } from "./kafka_server.ts";
import { kafkaSink } from "./kafka_sink.ts";

/** The tests of a file that share a Kafka, each with a topic of its own; they are skipped where there can be none. */
export class KafkaTests {
  readonly #title: (name: string) => string;
  readonly #topics: string;
  #server: KafkaServer | undefined;

  /** @param topics what the names of topics begin with */
  constructor(title: (name: string) => string, topics: string) {
    this.#title = title;
    this.#topics = topics;
    Deno.test.beforeAll(async () => {
      if (hasKafka()) this.#server = await KafkaServer.start();
    });
    Deno.test.afterAll(async () => await this.#server?.[Symbol.asyncDispose]());
  }

  /** To be asked for in tests only. */
  get server(): KafkaServer {
    if (!this.#server) throw new Error("Cannot use Kafka: no test runs yet");
    return this.#server;
  }

  /** A sink that writes to a topic of this server and needs no login, unless `other` options say otherwise. */
  sink(topic: string, other: Readonly<Record<string, unknown>> = {}): Sink {
    return kafkaSink({
      brokerList: this.server.address("PLAINTEXT"),
      topic,
      securityProtocol: "PLAINTEXT",
      ...other,
    });
  }

  test(name: string, body: (topic: string) => Promise<void>): void {
    Deno.test({
      name: this.#title(name),
      ignore: !hasKafka(),
      fn: () => body(`${this.#topics}-${crypto.randomUUID()}`),
    });
  }
}
