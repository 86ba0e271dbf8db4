import { type AccessToken, ClientCredentials } from "../../src/sink/client_credentials.ts";
import { HttpClient } from "../../src/sink/http_client.ts";
import type { MqttOptions } from "./config.ts";

/** How long a token may take, milliseconds. */
const TOKEN_TIMEOUT = 30_000;

/** What a CONNECT packet says of who sends it. */
export interface Login {
  readonly username?: string;
  readonly password?: string;
}

/** User name and password, or a token from an authorization server as the password. */
export class Credentials implements AsyncDisposable {
  readonly #login: Login;
  readonly #grant: ClientCredentials | undefined;
  #http: HttpClient | undefined;
  #latest: AccessToken | undefined;

  constructor({ username, password, auth }: Pick<MqttOptions, "username" | "password" | "auth">) {
    this.#grant = auth && new ClientCredentials(auth);
    const name = username ?? auth?.clientId; // mqtt.js sends no password without one
    this.#login = {
      ...(name !== undefined && { username: name }),
      ...(password !== undefined && { password }),
    };
  }

  /** For the next connection; throws a `SinkError` when there is no token to be had. */
  async login(signal: AbortSignal): Promise<Login> {
    if (!this.#grant) return this.#login;
    this.#http ??= await HttpClient.open({ timeout: TOKEN_TIMEOUT, connections: 1, caFile: undefined });
    const token = await this.#grant.token(this.#http, signal);
    this.#latest = token;
    return { ...this.#login, password: token.value };
  }

  /** Told that the broker refused the latest login; whether another may do better, at once. */
  refused(): boolean {
    if (!this.#grant || !this.#latest) return false;
    this.#grant.refused(this.#latest);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#grant?.[Symbol.asyncDispose]();
    this.#http?.[Symbol.dispose]();
  }
}
