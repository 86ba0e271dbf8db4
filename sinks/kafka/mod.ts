import { resolve } from "node:path";
import type { ConnectionOptions } from "node:tls";
import type { Batch, CreateSink, FailedEvent, Sink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { brokersOf } from "./broker_list.ts";
import { COMPRESSIONS } from "./compression.ts";
import type { KafkaOptions } from "./config.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import { Delivery } from "./delivery.ts";
import { Session } from "./session.ts";
import { TopicTemplate } from "./topic_template.ts";

export const createSink: CreateSink<KafkaOptions> = (options, context) =>
  new KafkaSink(options, context.baseDirectory);

/** Events in a batch that fill a request or two. */
const MAX_EVENTS = 1000;

/** Writes events to Kafka topics, as CloudEvents' Kafka binding says. */
class KafkaSink implements Sink {
  /** One batch at a time: what follows a request that failed must not overtake it. */
  readonly batch: { readonly maxEvents: number; readonly maxBytes: number };

  readonly #options: KafkaOptions;
  readonly #baseDirectory: string;
  readonly #topics: TopicTemplate;
  readonly #credentials: Credentials;
  #session: Session | undefined;

  constructor(options: KafkaOptions, baseDirectory: string) {
    this.batch = { maxEvents: MAX_EVENTS, maxBytes: options.maxRequestBytes };
    this.#options = options;
    this.#baseDirectory = baseDirectory;
    this.#topics = new TopicTemplate(options.topic);
    this.#credentials = credentialsOf(options, baseDirectory);
  }

  /** Always anew: it is called at the start and after failures, and a producer that failed is of no more use. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#close();
    await this.#connected(signal);
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    const { contentMode, maxRequestBytes } = this.#options;
    const delivery = new Delivery(batch, {
      topics: this.#topics,
      contentMode,
      maxRequestBytes,
      send: async (records) => {
        signal.throwIfAborted();
        return await (await this.#connected(signal)).send(records, signal);
      },
    });
    return await delivery.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#credentials[Symbol.asyncDispose]();
  }

  /** The session that there is, or a new one; a login that is refused counts when new credentials do no better. */
  async #connected(signal: AbortSignal): Promise<Session> {
    if (this.#session && !this.#session.isSpent) return this.#session;
    await this.#close();
    for (let attempt = 1;; attempt++) {
      const session = await this.#open();
      try {
        await session.connect(this.#topics.only, signal);
        return this.#session = session;
      } catch (error) {
        await session[Symbol.asyncDispose]();
        const isRefused = error instanceof SinkError && error.kind === "fatal";
        if (attempt > 1 || !isRefused || !this.#credentials.refused()) throw error;
      }
    }
  }

  async #open(): Promise<Session> {
    const { brokerList, idempotent, compression, timeout } = this.#options;
    return new Session({
      brokers: brokersOf(brokerList),
      tls: await this.#tls(),
      sasl: this.#credentials.mechanism,
      idempotent,
      compression: COMPRESSIONS[compression],
      timeout,
    });
  }

  /** Read anew for each session, so that renewed certificates count. */
  async #tls(): Promise<ConnectionOptions | undefined> {
    const { securityProtocol, caFile, certFile, keyFile } = this.#options;
    if (!securityProtocol.endsWith("SSL")) return undefined;
    const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => this.#read(file)));
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  }

  async #read(file: string | undefined): Promise<string | undefined> {
    if (file === undefined) return undefined;
    try {
      return await Deno.readTextFile(resolve(this.#baseDirectory, file));
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      throw new SinkError("fatal", `Cannot read ${file}: ${reason}`, { cause: error });
    }
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.[Symbol.asyncDispose]();
  }
}
