import type { TokenCredential } from "@azure/identity";
import { abortable } from "../../src/sink/abortable.ts";
import { type AccessToken, ClientCredentials } from "../../src/sink/client_credentials.ts";
import type { HttpClient } from "../../src/sink/http_client.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { KustoAuth } from "./config.ts";

/** How requests prove who sends them. */
export interface Credentials extends AsyncDisposable {
  /** A token that is good for a while, undefined where none is wanted; throws a `SinkError`. */
  token(scope: string, http: HttpClient, signal: AbortSignal): Promise<string | undefined>;
  /** Told that a token was refused (401); whether another may do better, at once. */
  refused(token: string): boolean;
}

/**
 * An application's secret needs one request, which is made here; for all else there is Microsoft's library, which is
 * loaded only then.
 */
export function credentialsOf(auth: KustoAuth): Credentials {
  switch (auth.type) {
    case "clientSecret":
      return new SecretCredentials(auth);
    case "none":
      return {
        token: () => Promise.resolve(undefined),
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

class SecretCredentials implements Credentials {
  readonly #auth: Extract<KustoAuth, { type: "clientSecret" }>;
  /** By scope. */
  readonly #grants = new Map<string, ClientCredentials>();
  readonly #tokens = new Map<string, { readonly grant: ClientCredentials; readonly token: AccessToken }>();

  constructor(auth: Extract<KustoAuth, { type: "clientSecret" }>) {
    this.#auth = auth;
  }

  async token(scope: string, http: HttpClient, signal: AbortSignal): Promise<string> {
    const { authorityHost, tenantId, clientId, clientSecret } = this.#auth;
    let grant = this.#grants.get(scope);
    if (!grant) {
      const path = `${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
      const tokenUrl = new URL(path, authorityHost).href;
      grant = new ClientCredentials({
        tokenUrl,
        clientId,
        clientSecret,
        clientAuthentication: "post",
        scope,
      });
      this.#grants.set(scope, grant);
    }
    const token = await grant.token(http, signal);
    this.#tokens.set(token.value, { grant, token });
    // Of each scope the latest is enough.
    for (const [value, known] of this.#tokens) {
      if (known.grant === grant && known.token !== token) this.#tokens.delete(value);
    }
    return token.value;
  }

  refused(token: string): boolean {
    const known = this.#tokens.get(token);
    known?.grant.refused(known.token);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const grant of this.#grants.values()) await grant[Symbol.asyncDispose]();
  }
}

type AzureAuth = Extract<
  KustoAuth,
  { type: "managedIdentity" | "workloadIdentity" | "azureCli" | "default" }
>;

class AzureCredentials implements Credentials {
  readonly #auth: AzureAuth;
  #credential: TokenCredential | undefined;

  constructor(auth: AzureAuth) {
    this.#auth = auth;
  }

  async token(scope: string, _http: HttpClient, signal: AbortSignal): Promise<string> {
    try {
      signal.throwIfAborted();
      this.#credential ??= await loadCredential(this.#auth);
      // Not all of its ways to a token look at the signal.
      const answer = await abortable(this.#credential.getToken(scope, { abortSignal: signal }), signal);
      if (answer) return answer.token;
    } catch (error) {
      throw identityError(error, signal);
    }
    throw new SinkError("retryable", "Cannot get a token for Kusto: there is none");
  }

  /** The library keeps its tokens until they end. */
  refused(): boolean {
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function loadCredential(auth: AzureAuth): Promise<TokenCredential> {
  const azure = await import("@azure/identity");
  switch (auth.type) {
    case "managedIdentity": {
      const { clientId } = auth;
      return new azure.ManagedIdentityCredential(clientId === undefined ? {} : { clientId });
    }
    case "workloadIdentity": {
      const { tenantId, clientId } = auth;
      return new azure.WorkloadIdentityCredential({
        ...(tenantId !== undefined && { tenantId }),
        ...(clientId !== undefined && { clientId }),
      });
    }
    case "azureCli": {
      const { tenantId } = auth;
      return new azure.AzureCliCredential(tenantId === undefined ? {} : { tenantId });
    }
    case "default":
      return new azure.DefaultAzureCredential();
  }
  return auth satisfies never;
}

/** Whoever gives tokens and refuses goes on refusing; whoever cannot be asked may be asked later. */
function identityError(error: unknown, signal: AbortSignal): SinkError {
  if (signal.aborted) return new SinkError("retryable", "Cannot get a token for Kusto: stopped");
  const status: unknown = Object(error).statusCode;
  const isRefusal = typeof status === "number" && status >= 400 && status < 500 && status !== 408 &&
    status !== 429;
  const [reason = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const kind = isRefusal || error instanceof Deno.errors.NotCapable ? "fatal" : "retryable";
  return new SinkError(kind, `Cannot get a token for Kusto: ${reason}`, { cause: error });
}
