import type { HttpClient } from "../../src/sink/http_client.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { USER_AGENT } from "../../src/sink/user_agent.ts";
import type { Credentials } from "./credentials.ts";
import { commandRefusal, type KustoAnswer } from "./kusto_error.ts";

/** A row of a command's answer. */
export type Answered = Readonly<Record<string, unknown>>;

/**
 * One of a cluster's addresses, and Kusto's REST protocol as far as it is needed there.
 * @see https://learn.microsoft.com/kusto/api/rest/request
 */
export class KustoEndpoint {
  readonly origin: string;

  readonly #http: HttpClient;
  readonly #credentials: Credentials;

  constructor(uri: string, http: HttpClient, credentials: Credentials) {
    this.origin = new URL(uri).origin;
    this.#http = http;
    this.#credentials = credentials;
  }

  /** Runs a management command; gives the rows of its first table. Throws a `KustoRefusal`. */
  async command(database: string, csl: string, signal: AbortSignal): Promise<readonly Answered[]> {
    const headers = { "content-type": "application/json; charset=utf-8" };
    const answer = await this.post("/v1/rest/mgmt", headers, JSON.stringify({ db: database, csl }), signal);
    if (answer.status !== 200) throw commandRefusal(this.origin, answer);
    try {
      return firstTable(answer.text);
    } catch (error) {
      throw new SinkError("retryable", `Cannot command ${this.origin}: its answer is no table`, {
        cause: error,
      });
    }
  }

  /** A 401 counts only when a new token, where there is one to be had, does no better. */
  async post(
    path: string,
    ownHeaders: Readonly<Record<string, string>>,
    body: string | Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<KustoAnswer> {
    const url = new URL(path, this.origin);
    for (let attempt = 1;; attempt++) {
      const token = await this.#credentials.token(`${this.origin}/.default`, this.#http, signal);
      const headers = {
        ...ownHeaders,
        "accept": "application/json",
        "user-agent": USER_AGENT,
        "x-ms-app": USER_AGENT,
        "x-ms-client-request-id": `Twinrouter;${crypto.randomUUID()}`,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const answer = await this.#http.exchange(url, signal, async (fetch) => {
        const response = await fetch(url, { method: "POST", headers, body });
        return { status: response.status, headers: response.headers, text: await response.text() };
      });
      if (answer.status !== 401 || attempt > 1 || token === undefined) return answer;
      if (!this.#credentials.refused(token)) return answer;
    }
  }
}

/**
 * `{"Tables":[{"TableName":…,"Columns":[{"ColumnName":…},…],"Rows":[[…],…]},…]}`
 * @see https://learn.microsoft.com/kusto/api/rest/response-http
 */
function firstTable(text: string): readonly Answered[] {
  const { Tables: [table] } = JSON.parse(text) as {
    Tables: { Columns: { ColumnName: string }[]; Rows: unknown[][] }[];
  };
  if (!table) return [];
  const names = table.Columns.map(({ ColumnName }) => ColumnName);
  return table.Rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index]])));
}
