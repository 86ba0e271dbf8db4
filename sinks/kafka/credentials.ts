import { resolve } from "node:path";
import type { Mechanism } from "kafkajs";
import { type AccessToken, ClientCredentials } from "../../src/sink/client_credentials.ts";
import { HttpClient } from "../../src/sink/http_client.ts";
import { azureLogin } from "./azure_login.ts";
import type { KafkaOptions } from "./config.ts";
import { passwordLogin, tokenLogin } from "./sasl.ts";

/** How the sink logs in. */
export interface Credentials extends AsyncDisposable {
  /** Undefined where it does not. */
  readonly mechanism: Mechanism | undefined;
  /** Told that it was refused; whether another try may do better, at once. */
  refused(): boolean;
}

/** The credentials that the options ask for. */
export function credentialsOf(options: KafkaOptions, baseDirectory: string): Credentials {
  const { securityProtocol, saslMechanism, saslUsername = "", saslPassword = "" } = options;
  if (!securityProtocol.startsWith("SASL_") || saslMechanism === undefined) return constant(undefined);
  if (saslMechanism !== "OAUTHBEARER") {
    return constant(passwordLogin(saslMechanism, saslUsername, saslPassword));
  }
  return options.tokenEndpoint === undefined
    ? constant(azureLogin(options))
    : new OAuthLogin(options, options.tokenEndpoint, baseDirectory);
}

function constant(mechanism: Mechanism | undefined): Credentials {
  return { mechanism, refused: () => false, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** Tokens from an authorization server. */
class OAuthLogin implements Credentials {
  readonly mechanism = tokenLogin(() => this.#value());
  readonly #grant: ClientCredentials;
  readonly #timeout: number;
  readonly #caFile: string | undefined;
  readonly #disposed = new AbortController();
  #http: HttpClient | undefined;
  #latest: AccessToken | undefined;

  constructor(options: KafkaOptions, tokenUrl: string, baseDirectory: string) {
    const { clientId = "", clientSecret = "", scope, timeout, caFile } = options;
    this.#grant = new ClientCredentials({
      tokenUrl,
      clientId,
      clientSecret,
      clientAuthentication: "basic",
      ...(scope !== undefined && { scope }),
    });
    this.#timeout = timeout;
    this.#caFile = caFile === undefined ? undefined : resolve(baseDirectory, caFile);
  }

  refused(): boolean {
    if (this.#latest === undefined) return false;
    this.#grant.refused(this.#latest);
    this.#latest = undefined;
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await this.#grant[Symbol.asyncDispose]();
    this.#http?.[Symbol.dispose]();
  }

  async #value(): Promise<string> {
    this.#http ??= await HttpClient.open({ timeout: this.#timeout, connections: 1, caFile: this.#caFile });
    this.#latest = await this.#grant.token(this.#http, this.#disposed.signal);
    return this.#latest.value;
  }
}
