import { resolve } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { SinkError } from "../../src/sink/sink_error.ts";
import { brokersOf } from "./broker_list.ts";
import { COMPRESSIONS } from "./compression.ts";
import type { KafkaOptions } from "./config.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import { Session, type SessionOptions } from "./session.ts";
import { TransactionalSession } from "./transactional_session.ts";

/** Opens sessions as the options say. */
export class Connector implements AsyncDisposable {
  readonly #options: KafkaOptions;
  readonly #baseDirectory: string;
  readonly #credentials: Credentials;

  constructor(options: KafkaOptions, baseDirectory: string) {
    this.#options = options;
    this.#baseDirectory = baseDirectory;
    this.#credentials = credentialsOf(options, baseDirectory);
  }

  /** A session for requests by themselves, as `#open` opens it. */
  open(topic: string | undefined, signal: AbortSignal): Promise<Session> {
    return this.#open(topic, signal, (options) => new Session(options));
  }

  /** A session for transactions, as `#open` opens it. */
  openTransactional(
    topic: string | undefined,
    transactionalId: string,
    signal: AbortSignal,
  ): Promise<TransactionalSession> {
    return this.#open(topic, signal, (options) => new TransactionalSession(options, transactionalId));
  }

  /**
   * A session that is logged in, and has seen the topic if one is named; a login that is refused counts when new
   * credentials do no better.
   */
  async #open<Kind extends Session>(
    topic: string | undefined,
    signal: AbortSignal,
    make: (options: SessionOptions) => Kind,
  ): Promise<Kind> {
    for (let attempt = 1;; attempt++) {
      const session = make(await this.#sessionOptions());
      try {
        await session.connect(topic, signal);
        return session;
      } catch (error) {
        await session[Symbol.asyncDispose]();
        const isRefused = error instanceof SinkError && error.kind === "fatal";
        if (attempt > 1 || !isRefused || !this.#credentials.refused()) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#credentials[Symbol.asyncDispose]();
  }

  async #sessionOptions(): Promise<SessionOptions> {
    const { brokerList, idempotent, compression, timeout } = this.#options;
    return {
      brokers: brokersOf(brokerList),
      tls: await this.#tls(),
      sasl: this.#credentials.mechanism,
      idempotent,
      compression: COMPRESSIONS[compression],
      timeout,
    };
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
}
