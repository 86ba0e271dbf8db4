import {
  AzureCliCredential,
  DefaultAzureCredential,
  type GetTokenOptions,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from "@azure/identity";
import { abortable } from "../../src/sink/abortable.ts";
import { type AccessToken, ClientCredentials } from "../../src/sink/client_credentials.ts";
import { HttpClient } from "../../src/sink/http_client.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { currentCall } from "./call.ts";
import type { KustoAuth } from "./config.ts";

/** How requests prove who sends them. */
export interface Credentials extends AsyncDisposable {
  /** Whom Microsoft's clients ask for tokens, within a call; undefined where none is wanted. */
  readonly credential: TokenCredential | undefined;
  /** Told that the latest token was refused (401); whether another may do better, at once. */
  refused(): boolean;
}

/** @param timeout for a request for a token, milliseconds */
export function credentialsOf(auth: KustoAuth, timeout: number): Credentials {
  switch (auth.type) {
    case "clientSecret":
      return new SecretCredentials(auth, timeout);
    case "none":
      return {
        credential: undefined,
        refused: () => false,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    case "managedIdentity":
    case "workloadIdentity":
    case "azureCli":
    case "default":
      return new AzureCredentials(auth);
  }
  auth satisfies never;
}

type SecretAuth = Extract<KustoAuth, { type: "clientSecret" }>;

/**
 * An application's secret needs one request, which is made here: the library's own credential takes seconds to say that
 * nobody is there, and goes on with a token that was refused.
 */
class SecretCredentials implements Credentials {
  readonly credential: TokenCredential = {
    getToken: async (scopes) => {
      const { value } = await noted(this.#token([scopes].flat().join(" ")));
      return { token: value, expiresOnTimestamp: Date.now() }; // whoever asks again gets the same while it is good
    },
  };

  readonly #auth: SecretAuth;
  readonly #timeout: number;
  /** By scope. */
  readonly #grants = new Map<string, ClientCredentials>();
  #latest: { readonly grant: ClientCredentials; readonly token: AccessToken } | undefined;
  #http: Promise<HttpClient> | undefined;

  constructor(auth: SecretAuth, timeout: number) {
    this.#auth = auth;
    this.#timeout = timeout;
  }

  refused(): boolean {
    this.#latest?.grant.refused(this.#latest.token);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const grant of this.#grants.values()) await grant[Symbol.asyncDispose]();
    (await this.#http)?.[Symbol.dispose]();
  }

  async #token(scope: string): Promise<AccessToken> {
    const { signal } = currentCall();
    const grant = this.#grants.get(scope) ?? this.#grantFor(scope);
    this.#http ??= HttpClient.open({ timeout: this.#timeout, connections: 1, caFile: undefined });
    const token = await grant.token(await this.#http, signal);
    this.#latest = { grant, token };
    return token;
  }

  #grantFor(scope: string): ClientCredentials {
    const { authorityHost, tenantId, clientId, clientSecret } = this.#auth;
    const path = `${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
    const tokenUrl = new URL(path, authorityHost).href;
    const grant = new ClientCredentials({
      tokenUrl,
      clientId,
      clientSecret,
      clientAuthentication: "post",
      scope,
    });
    this.#grants.set(scope, grant);
    return grant;
  }
}

type AzureAuth = Exclude<KustoAuth, { type: "clientSecret" | "none" }>;

class AzureCredentials implements Credentials {
  readonly credential: TokenCredential = {
    getToken: (scopes, options) => noted(this.#token(scopes, options)),
  };

  readonly #auth: AzureAuth;
  #credential: TokenCredential | undefined;

  constructor(auth: AzureAuth) {
    this.#auth = auth;
  }

  /** The library keeps its tokens until they end. */
  refused(): boolean {
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #token(scopes: string | string[], options?: GetTokenOptions) {
    const { signal } = currentCall();
    try {
      signal.throwIfAborted();
      this.#credential ??= credentialOf(this.#auth);
      // Not all of its ways to a token look at the signal.
      const getting = this.#credential.getToken(scopes, { ...options, abortSignal: signal });
      const token = await abortable(getting, signal);
      if (token) return token;
    } catch (error) {
      throw identityError(error);
    }
    throw new SinkError("retryable", "Cannot get a token for Kusto: there is none");
  }
}

function credentialOf(auth: AzureAuth): TokenCredential {
  switch (auth.type) {
    case "managedIdentity": {
      const { clientId } = auth;
      return new ManagedIdentityCredential(clientId === undefined ? {} : { clientId });
    }
    case "workloadIdentity": {
      const { tenantId, clientId } = auth;
      return new WorkloadIdentityCredential({
        ...(tenantId !== undefined && { tenantId }),
        ...(clientId !== undefined && { clientId }),
      });
    }
    case "azureCli": {
      const { tenantId } = auth;
      return new AzureCliCredential(tenantId === undefined ? {} : { tenantId });
    }
    case "default":
      return new DefaultAzureCredential();
  }
  return auth satisfies never;
}

/** Whoever gives tokens and refuses goes on refusing; whoever cannot be asked may be asked later. */
function identityError(error: unknown): SinkError {
  const status: unknown = Object(error).statusCode;
  const isRefusal = typeof status === "number" && status >= 400 && status < 500 && status !== 408 &&
    status !== 429;
  const [reason = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const kind = isRefusal || error instanceof Deno.errors.NotCapable ? "fatal" : "retryable";
  return new SinkError(kind, `Cannot get a token for Kusto: ${reason}`, { cause: error });
}

/** The clients show of such a failure no more than its words. */
async function noted<Token>(token: Promise<Token>): Promise<Token> {
  try {
    return await token;
  } catch (error) {
    if (error instanceof SinkError) currentCall().failure = error;
    throw error;
  }
}
