import {
  type Client,
  KustoConnectionStringBuilder,
  kustoTrustedEndpoints,
  MatchRule,
} from "azure-kusto-data";
import { USER_AGENT } from "../../src/sink/user_agent.ts";
import { currentCall, within } from "./call.ts";
import type { Credentials } from "./credentials.ts";
import { kustoError, KustoRefusal, type Task } from "./kusto_error.ts";

/** Bytes of an answer; those to what is asked here have a few thousand. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/** One of a cluster's addresses, as Microsoft's clients reach it. */
export class KustoAccess implements Disposable {
  readonly origin: string;

  readonly #credentials: Credentials;
  readonly #timeout: number;
  readonly #clients: Client[] = [];

  constructor(uri: string, credentials: Credentials, timeout: number) {
    const { origin, hostname } = new URL(uri);
    this.origin = origin;
    this.#credentials = credentials;
    this.#timeout = timeout;
    // The clients send tokens to Azure's hosts alone, and to those that somebody has named: here, the configuration.
    kustoTrustedEndpoints.addTrustedHosts([new MatchRule(hostname, true)], false);
  }

  /** What a client is made of. */
  connectionString(): KustoConnectionStringBuilder {
    const { credential } = this.#credentials;
    const builder = credential
      ? KustoConnectionStringBuilder.withTokenCredential(this.origin, credential)
      : new KustoConnectionStringBuilder(this.origin);
    builder.applicationNameForTracing = USER_AGENT;
    builder.userNameForTracing = ""; // by default the account's that the program runs under
    return builder;
  }

  /** Binds a client's requests to the call in which they are made; the client ends with this address. */
  bind<Bound extends Client>(client: Bound): Bound {
    const { defaults, interceptors: { request, response } } = client.axiosInstance;
    // By node:http, as Deno 2.9 has it, a request that is stopped goes out once more when its connection was kept open.
    Object.assign(defaults, { adapter: "fetch", maxBodyLength: -1, maxContentLength: LARGEST_ANSWER });
    request.use((config) => Object.assign(config, { signal: currentCall().signal }));
    // Classified before the client sees it, which would wait and try again when it is told to come later.
    response.use(undefined, (error: unknown) => {
      const call = currentCall();
      throw call.failure = kustoError(error, call.task);
    });
    this.#clients.push(client);
    return client;
  }

  /** Lets a client do something; a 401 counts only when a new token, where there is one to be had, does no better. */
  async call<Result>(task: Task, signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    try {
      return await within(task, this.#timeout, signal, work);
    } catch (error) {
      if (!(error instanceof KustoRefusal) || error.status !== 401 || !this.#credentials.refused()) {
        throw error;
      }
      return await within(task, this.#timeout, signal, work);
    }
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
  }
}
