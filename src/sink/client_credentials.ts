import {
  allowInsecureRequests,
  clientCredentialsGrantRequest,
  ClientSecretBasic,
  ClientSecretPost,
  customFetch,
  processClientCredentialsResponse,
  type TokenEndpointResponse,
} from "oauth4webapi";
import { abortable } from "./abortable.ts";
import { outcomeOf, retryAfterMs } from "./http_answer.ts";
import type { BoundFetch, HttpClient } from "./http_client.ts";
import { limitedAnswer } from "./limited_answer.ts";
import { SinkError } from "./sink_error.ts";

export interface ClientCredentialsOptions {
  /** The authorization server's token endpoint. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** How the secret is sent: in the Authorization header or in the form. */
  readonly clientAuthentication: "basic" | "post";
  readonly scope?: string;
  readonly audience?: string;
}

export interface AccessToken {
  readonly value: string;
  /** As of `performance.now()`; Infinity for one that never ends. */
  readonly renewAt: number;
}

/** Bytes of a token endpoint's answer. */
const LARGEST_ANSWER = 1024 * 1024;

/** A token is renewed so long before its end; one that lives shorter, after three quarters of its life. */
const RENEW_BEFORE_MS = 60_000;

/**
 * OAuth 2.0 client credentials (RFC 6749, section 4.4). A token serves all requests until it nears its end or is
 * refused; requests that need a new one wait for the same.
 */
export class ClientCredentials implements AsyncDisposable {
  readonly #options: ClientCredentialsOptions;
  readonly #url: URL;
  readonly #disposed = new AbortController();
  #token: AccessToken | undefined;
  #renewal: Promise<AccessToken> | undefined;

  constructor(options: ClientCredentialsOptions) {
    this.#options = options;
    this.#url = new URL(options.tokenUrl);
  }

  /** A token that is good for a while; throws a `SinkError` when there is none to be had. */
  async token(http: HttpClient, signal: AbortSignal): Promise<AccessToken> {
    if (this.#token && performance.now() < this.#token.renewAt) return this.#token;
    // Under its own signal: the end of one request must not fail the others that wait for the same token.
    this.#renewal ??= this.#renew(http).finally(() => this.#renewal = undefined);
    try {
      return await abortable(this.#renewal, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new SinkError("retryable", `Cannot get a token from ${this.#url.origin}: stopped`, {
        cause: error,
      });
    }
  }

  /** To be told that a far end refused a token before its time; the next one asked for is new. */
  refused(token: AccessToken): void {
    if (this.#token === token) this.#token = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await this.#renewal?.catch(() => {});
  }

  #renew(http: HttpClient): Promise<AccessToken> {
    return http.exchange(this.#url, this.#disposed.signal, async (fetch) => {
      const answer = await this.#request(fetch);
      const lifetime = (answer.expires_in ?? Infinity) * 1000;
      this.#token = {
        value: answer.access_token,
        renewAt: performance.now() + Math.max(lifetime - RENEW_BEFORE_MS, lifetime * 0.75),
      };
      return this.#token;
    });
  }

  async #request(fetch: BoundFetch): Promise<TokenEndpointResponse> {
    const { tokenUrl, clientId, clientSecret, clientAuthentication, scope, audience } = this.#options;
    const server = { issuer: this.#url.origin, token_endpoint: tokenUrl };
    const client = { client_id: clientId };
    const response = await clientCredentialsGrantRequest(
      server,
      client,
      clientAuthentication === "post" ? ClientSecretPost(clientSecret) : ClientSecretBasic(clientSecret),
      { ...(scope !== undefined && { scope }), ...(audience !== undefined && { audience }) },
      {
        [customFetch]: async (url, request) => limitedAnswer(await fetch(url, request), LARGEST_ANSWER),
        [allowInsecureRequests]: this.#url.protocol === "http:",
      },
    );
    if (response.status !== 200) throw await this.#refusal(response);
    try {
      return await processClientCredentialsResponse(server, client, response);
    } catch (error) {
      throw new SinkError(
        "retryable",
        `Cannot get a token from ${this.#url.origin}: its answer is no token`,
        {
          cause: error,
        },
      );
    } finally {
      if (!response.bodyUsed) await response.body?.cancel();
    }
  }

  /** RFC 6749, section 5.2. */
  async #refusal(response: Response): Promise<SinkError> {
    const body: unknown = await response.json().catch(() => undefined);
    const code = typeof body === "object" && body !== null && "error" in body ? ` (${body.error})` : "";
    const retryable = outcomeOf(response.status) === "retryable";
    const wait = retryable ? retryAfterMs(response.headers, Date.now()) : undefined;
    return new SinkError(
      retryable ? "retryable" : "fatal",
      `Cannot get a token from ${this.#url.origin}: it answers ${response.status}${code}`,
      wait === undefined ? {} : { retryAfterMs: wait },
    );
  }
}
