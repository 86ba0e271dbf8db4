import type { ConnectionOptions } from "node:tls";
import { Kafka, type KafkaConfig, logLevel } from "kafkajs";
import Cluster from "kafkajs/src/cluster/index.js";
import { abortable } from "../../src/sink/abortable.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { patchKafkajs } from "./kafkajs_patches.ts";
import { sinkErrorOf } from "./sink_error_of.ts";
import { Sockets } from "./sockets.ts";

export interface ClientOptions {
  readonly brokers: readonly string[];
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: KafkaConfig["sasl"];
  /** Milliseconds. */
  readonly timeout: number;
  /** Milliseconds; default: less than the 240 s after which Azure forgets a connection without a word. */
  readonly idleMs?: number;
}

const IDLE_MS = 180_000;
const CONNECTION_TIMEOUT = 10_000;
/** Before the end of a login's life (KIP-368) that the next request logs in anew; a token has been renewed by then. */
const REAUTHENTICATION_MS = 2_000;

patchKafkajs();

/** A client of kafkajs whose calls end when they are told to, and all of whose connections can be cut at once. */
export class Client implements AsyncDisposable {
  readonly kafka: Kafka;
  /** For what kafkajs' own clients cannot do. */
  readonly cluster: Cluster;
  /** Of whatever keeps metadata. */
  readonly metadata: { readonly allowAutoTopicCreation: false; readonly metadataMaxAge: number };
  readonly #sockets: Sockets;
  #work: Promise<unknown> = Promise.resolve();
  #isSpent = false;

  constructor({ brokers, tls, sasl, timeout, idleMs = IDLE_MS }: ClientOptions) {
    this.#sockets = new Sockets(idleMs);
    this.metadata = { allowAutoTopicCreation: false, metadataMaxAge: idleMs };
    const options = {
      clientId: "twinrouter",
      brokers: [...brokers],
      ...(tls && { ssl: tls }),
      ...(sasl && { sasl }),
      connectionTimeout: Math.min(timeout, CONNECTION_TIMEOUT),
      authenticationTimeout: timeout,
      requestTimeout: timeout,
      enforceRequestTimeout: true,
      reauthenticationThreshold: REAUTHENTICATION_MS,
      socketFactory: this.#sockets.factory,
      // Enough to try each broker of the list; beyond that the dispatcher retries.
      retry: { retries: Math.max(2, brokers.length), initialRetryTime: 50, maxRetryTime: 200 },
    };
    // What fails is told by errors; kafkajs' own lines may hold whatever a server says.
    this.kafka = new Kafka({ ...options, logLevel: logLevel.NOTHING });
    this.cluster = new Cluster({ ...options, ...this.metadata, logger: this.kafka.logger() });
  }

  /** Whether it may be used no more. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  spend(): void {
    this.#isSpent = true;
  }

  /** Does something that a message calls `action`; whatever fails, or is stopped, is the end of the client. */
  async within<Result>(signal: AbortSignal, action: string, work: () => Promise<Result>): Promise<Result> {
    try {
      signal.throwIfAborted();
      const running = work();
      this.#work = running.catch(() => {});
      return await abortable(running, signal);
    } catch (error) {
      this.#isSpent = true;
      this.#sockets.cut();
      if (signal.aborted) throw new SinkError("retryable", `Cannot ${action}: stopped`);
      throw sinkErrorOf(error, action);
    }
  }

  /** Cuts the connections, at once; what kafkajs still does then comes to nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isSpent = true;
    this.#sockets.cut();
    await this.#work;
    await this.cluster.disconnect().catch(() => {});
  }
}
