import { Buffer } from "node:buffer";
import { resolve } from "node:path";
import { type AccessToken, ClientCredentials } from "../../src/sink/client_credentials.ts";
import type { HttpClient } from "../../src/sink/http_client.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { WebhookAuth, WebhookOptions } from "./config.ts";

/** How requests prove who sends them. */
export interface Credentials extends AsyncDisposable {
  /** The headers of the next request. */
  headers(http: HttpClient, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Told that a request with these headers was refused (401); whether others may do better, at once. */
  refused(headers: Readonly<Record<string, string>>): boolean;
}

/** The credentials that the options ask for; those in the URL count when they name no others. */
export function credentialsOf({ auth, url }: WebhookOptions, baseDirectory: string): Credentials {
  if (auth) return fromAuth(auth, baseDirectory);
  const { username, password } = new URL(url);
  if (username === "" && password === "") return constant({});
  return constant({ authorization: basic(percentDecode(username), percentDecode(password)) });
}

function fromAuth(auth: WebhookAuth, baseDirectory: string): Credentials {
  switch (auth.type) {
    case "basic":
      return constant({ authorization: basic(auth.username, auth.password) });
    case "bearer":
      if (auth.tokenFile !== undefined) return new TokenFile(resolve(baseDirectory, auth.tokenFile));
      return constant({ authorization: `Bearer ${auth.token}` });
    case "apiKey":
      return constant({ [auth.header.toLowerCase()]: auth.key });
    case "oauth2":
      return new OAuthToken(new ClientCredentials(auth));
  }
  auth satisfies never;
}

function constant(headers: Readonly<Record<string, string>>): Credentials {
  return {
    headers: () => Promise.resolve(headers),
    refused: () => false,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** A token from an authorization server. */
class OAuthToken implements Credentials {
  readonly #grant: ClientCredentials;
  #latest: { readonly token: AccessToken; readonly headers: Readonly<Record<string, string>> } | undefined;

  constructor(grant: ClientCredentials) {
    this.#grant = grant;
  }

  async headers(http: HttpClient, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const token = await this.#grant.token(http, signal);
    if (this.#latest?.token !== token) {
      this.#latest = { token, headers: { authorization: `Bearer ${token.value}` } };
    }
    return this.#latest.headers;
  }

  refused(headers: Readonly<Record<string, string>>): boolean {
    if (this.#latest?.headers === headers) this.#grant.refused(this.#latest.token);
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#grant[Symbol.asyncDispose]();
  }
}

/** A bearer token that somebody else renews; read for each request, so that the new one counts at once. */
class TokenFile implements Credentials {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async headers(): Promise<Readonly<Record<string, string>>> {
    return { authorization: `Bearer ${await this.#token()}` };
  }

  refused(): boolean {
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #token(): Promise<string> {
    let token: string;
    try {
      token = (await Deno.readTextFile(this.#path)).trim();
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      throw new SinkError("retryable", `Cannot read the token of ${this.#path}: ${reason}`, { cause: error });
    }
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new SinkError(
        "retryable",
        `Cannot use the token of ${this.#path}: it is empty or has characters no header has`,
      );
    }
    return token;
  }
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
