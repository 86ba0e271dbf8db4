import { resolve } from "node:path";
import { STRUCTURED_JSON_TYPE, structuredJson } from "../../src/sink/encode.ts";
import { httpBinaryHeaders } from "../../src/sink/encode_http.ts";
import { type Answer, outcomeOf, retryAfterMs } from "../../src/sink/http_answer.ts";
import { HttpClient } from "../../src/sink/http_client.ts";
import type { Batch, CloudEvent, CreateSink, FailedEvent, Sink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { USER_AGENT } from "../../src/sink/user_agent.ts";
import type { WebhookOptions } from "./config.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";

export const createSink: CreateSink<WebhookOptions> = (options, context) =>
  new WebhookSink(options, context.baseDirectory);

/** POSTs each event to an HTTP endpoint, as CloudEvents' HTTP binding says. */
class WebhookSink implements Sink {
  /** One event a batch, and several batches at once: the dispatcher sees to it that no two have the same key. */
  readonly batch: { readonly maxEvents: number; readonly concurrency: number };

  readonly #options: WebhookOptions;
  readonly #baseDirectory: string;
  readonly #url: URL;
  readonly #headers: Headers;
  readonly #credentials: Credentials;
  #http: HttpClient | undefined;

  constructor(options: WebhookOptions, baseDirectory: string) {
    this.batch = { maxEvents: 1, concurrency: options.concurrency };
    this.#options = options;
    this.#baseDirectory = baseDirectory;
    this.#credentials = credentialsOf(options, baseDirectory);
    this.#url = new URL(options.url);
    this.#url.username = "";
    this.#url.password = "";
    this.#headers = new Headers({ "user-agent": USER_AGENT });
    for (const [name, value] of Object.entries(options.headers)) this.#headers.set(name, value);
  }

  /** Any answer to OPTIONS, which changes nothing over there, shows that the far end is reached. */
  async connect(signal: AbortSignal): Promise<void> {
    const { timeout, concurrency, caFile } = this.#options;
    this.#http ??= await HttpClient.open({
      timeout,
      connections: concurrency,
      caFile: caFile === undefined ? undefined : resolve(this.#baseDirectory, caFile),
    });
    await this.#send(this.#http, "OPTIONS", {}, undefined, signal);
  }

  /** In order, one after another; a batch is larger than one event only if the configuration says so. */
  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    const failed: FailedEvent[] = [];
    /** What stands before all further events, or those of a key. */
    let stop: SinkError | undefined;
    const stopOfKey = new Map<string, SinkError>();
    for (const [index, event] of batch.entries()) {
      const before = stop ?? stopOfKey.get(event.partitionkey);
      if (before) {
        failed.push({ index, error: notSent(before) });
        continue;
      }
      const error = await this.#post(event, signal);
      if (!error) continue;
      failed.push({ index, error });
      stopOfKey.set(event.partitionkey, error);
      if (error.kind === "fatal" || error.retryAfterMs !== undefined || signal.aborted) stop = error;
    }
    return failed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#credentials[Symbol.asyncDispose]();
    this.#http?.[Symbol.dispose]();
  }

  /** Why the event was not taken, if it was not. */
  async #post(event: CloudEvent, signal: AbortSignal): Promise<SinkError | undefined> {
    if (!this.#http) throw new SinkError("retryable", `Cannot deliver to ${this.#url.origin}: not connected`);
    const binary = this.#options.contentMode === "binary";
    const headers = binary ? httpBinaryHeaders(event) : { "content-type": STRUCTURED_JSON_TYPE };
    const body = binary ? event.data : structuredJson(event);
    try {
      return this.#errorOf(await this.#send(this.#http, "POST", headers, body, signal));
    } catch (error) {
      if (error instanceof SinkError) return error;
      throw error;
    }
  }

  /** A 401 counts only when new credentials, where there are any, do no better. */
  async #send(
    http: HttpClient,
    method: "POST" | "OPTIONS",
    ownHeaders: Readonly<Record<string, string>>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    for (let attempt = 1;; attempt++) {
      const proof = await this.#credentials.headers(http, signal);
      const headers = new Headers(this.#headers);
      for (const [name, value] of Object.entries({ ...proof, ...ownHeaders })) headers.set(name, value);
      const request = { method, headers, ...(body !== undefined && { body }) };
      const answer = await http.send(this.#url, request, signal);
      if (answer.status !== 401 || attempt > 1 || !this.#credentials.refused(proof)) return answer;
    }
  }

  #errorOf({ status, headers }: Answer): SinkError | undefined {
    const kind = outcomeOf(status);
    if (kind === "delivered") return undefined;
    const wait = kind === "retryable" ? retryAfterMs(headers, Date.now()) : undefined;
    return new SinkError(
      kind,
      `Cannot deliver to ${this.#url.origin}: it answers ${status}${hint(status, headers)}`,
      wait === undefined ? {} : { retryAfterMs: wait },
    );
  }
}

/** The error of an event that was held back because of the one of another. */
function notSent({ message, retryAfterMs }: SinkError): SinkError {
  return new SinkError(
    "retryable",
    `${message} (an earlier event; this one was not sent)`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** What to look at when a status is `fatal`. */
function hint(status: number, headers: Headers): string {
  if (status === 401 || status === 403) return "; see its auth";
  if (status === 404 || status === 405 || status === 410) return "; see its url";
  if (status < 300 || status >= 400) return "";
  const target = URL.parse(headers.get("location") ?? "")?.origin;
  return target === undefined
    ? ", a redirect, which is never followed"
    : `, a redirect to ${target}, which is never followed`;
}
