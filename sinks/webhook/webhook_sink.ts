import { resolve } from "node:path";
import { type Clock, systemClock } from "../../src/sink/clock.ts";
import { type Answer, outcomeOf, retryAfterMs } from "../../src/sink/http_answer.ts";
import { HttpClient } from "../../src/sink/http_client.ts";
import type { Batch, BatchPreference, FailedEvent, Sink, SinkContext } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { USER_AGENT } from "../../src/sink/user_agent.ts";
import type { WebhookOptions } from "./config.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import { Failures } from "./failures.ts";
import { runsWithin, writeEvent, writeMessage, type WrittenEvent } from "./message.ts";
import { permissionOf, permissionRequest } from "./permission.ts";
import { RequestRate } from "./request_rate.ts";
import { messageId, Signer } from "./signature.ts";

/** A request, but for what each attempt adds. */
interface Outgoing {
  readonly method: "POST" | "OPTIONS";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** By which receivers recognise a repeat. */
  readonly id?: string;
}

/** Why the events of a request were not taken. */
interface Refusal {
  readonly error: SinkError;
  /** The far end might take the others. */
  readonly mayBeOfOneEvent: boolean;
}

/** So many events that are not taken even alone, and none that is, are no bad events but an outage. */
const OUTAGE = 5;

/**
 * POSTs events to an HTTP endpoint, as CloudEvents' HTTP binding and its webhook specification say.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
 */
export class WebhookSink implements Sink {
  /** Several batches at once: the dispatcher sees to it that no two have the same key. */
  readonly batch: BatchPreference;

  readonly #options: WebhookOptions;
  readonly #baseDirectory: string;
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #headers: Headers;
  readonly #credentials: Credentials;
  readonly #signer: Signer | undefined;
  readonly #rate: RequestRate;
  #http: HttpClient | undefined;
  /** Until when the far end wants no requests, by the steady clock. */
  #closedUntil = -Infinity;

  constructor(options: WebhookOptions, { baseDirectory }: SinkContext, clock = systemClock) {
    const { contentMode, concurrency, maxBytes, signingKeys } = options;
    this.batch = contentMode === "batched" ? { maxBytes, concurrency } : { maxEvents: 1, concurrency };
    this.#options = options;
    this.#baseDirectory = baseDirectory;
    this.#clock = clock;
    this.#credentials = credentialsOf(options, baseDirectory);
    this.#signer = signingKeys && new Signer(signingKeys);
    this.#rate = new RequestRate(clock);
    this.#url = new URL(options.url);
    this.#url.username = "";
    this.#url.password = "";
    this.#headers = new Headers({ "user-agent": USER_AGENT });
    // Section 3.2 of the webhook specification, for a token in the URL.
    if (this.#url.searchParams.has("access_token")) this.#headers.set("cache-control", "no-store");
    if (options.validation !== "off") this.#headers.set("webhook-request-origin", options.origin);
    for (const [name, value] of Object.entries(options.headers)) this.#headers.set(name, value);
  }

  /** Asks the far end for permission. Unless that is required, any answer shows that the far end is reached. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#open();
    const { validation, origin, maxRequestsPerMinute } = this.#options;
    const headers = validation === "off" ? {} : permissionRequest(origin, maxRequestsPerMinute);
    const answer = await this.#send({ method: "OPTIONS", headers }, signal);
    const allowed = validation === "off" ? Infinity : this.#allowedRate(answer);
    this.#rate.limit(Math.min(allowed, maxRequestsPerMinute ?? Infinity));
  }

  /**
   * In order, one request after another. A batch that is refused, maybe for one event of it, is halved until what the far
   * end does not take stands alone. Where it takes nothing at all, no event is to blame: that is a throw.
   */
  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    const { contentMode, maxBytes } = this.#options;
    const written = batch.map((event, index) => writeEvent(contentMode, index, event));
    const todo = contentMode === "batched" ? runsWithin(maxBytes, written) : written.map((event) => [event]);
    todo.reverse();
    const failures = new Failures();
    let taken = 0;
    let failedAlone = 0;
    for (let run = todo.pop(); run !== undefined; run = todo.pop()) {
      const events = failures.sendable(run);
      if (events.length === 0) continue;
      const refusal = await this.#post(events, signal);
      if (!refusal) {
        taken += events.length;
        continue;
      }
      const { error, mayBeOfOneEvent } = refusal;
      if (mayBeOfOneEvent && events.length > 1) {
        const middle = events.length >> 1;
        todo.push(events.slice(middle), events.slice(0, middle));
        continue;
      }
      if (error.kind === "retryable" && taken === 0) {
        if (events.length > 1 && failures.events.length === 0) throw error;
        if (mayBeOfOneEvent && ++failedAlone === OUTAGE) throw error;
      }
      const stopsAll = error.kind === "fatal" || error.retryAfterMs !== undefined || signal.aborted;
      failures.add(events, error, stopsAll);
    }
    return failures.events.toSorted((a, b) => a.index - b.index);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#credentials[Symbol.asyncDispose]();
    this.#http?.[Symbol.dispose]();
  }

  /** Certificates are read for each connection anew, so that renewed ones count. */
  async #open(): Promise<void> {
    const { timeout, concurrency, caFile, certFile, keyFile } = this.#options;
    if (this.#http && caFile === undefined && certFile === undefined) return;
    const path = (file: string) => resolve(this.#baseDirectory, file);
    const before = this.#http;
    this.#http = await HttpClient.open({
      timeout,
      connections: concurrency,
      caFile: caFile === undefined ? undefined : path(caFile),
      identity: certFile === undefined || keyFile === undefined
        ? undefined
        : { certFile: path(certFile), keyFile: path(keyFile) },
    });
    before?.[Symbol.dispose]();
  }

  /** Requests a minute that the far end allows; throws if it allows none. */
  #allowedRate({ status, headers }: Answer): number {
    const { validation, origin } = this.#options;
    const permission = permissionOf(headers, origin);
    switch (permission.kind) {
      case "granted":
        return permission.perMinute;
      case "denied":
        throw new SinkError(
          "fatal",
          `Cannot deliver to ${this.#url.origin}: it does not allow the origin ${origin}; see its origin`,
        );
      case "none":
        if (validation !== "required") return Infinity;
        throw new SinkError(
          outcomeOf(status) === "retryable" ? "retryable" : "fatal",
          `Cannot deliver to ${this.#url.origin}: its answer, ${status}, does not allow the origin ${origin}` +
            (hint(status, headers) || "; see its validation"),
        );
      default:
        return permission satisfies never;
    }
  }

  /** Sends one request; gives why its events were not taken, if they were not. */
  async #post(events: readonly WrittenEvent[], signal: AbortSignal): Promise<Refusal | undefined> {
    const { headers, body } = writeMessage(this.#options.contentMode, events);
    const id = this.#signer && messageId(events.map(({ event }) => event));
    try {
      const answer = await this.#send(
        { method: "POST", headers, body, ...(id !== undefined && { id }) },
        signal,
      );
      return this.#refusalOf(answer);
    } catch (error) {
      if (!(error instanceof SinkError)) throw error;
      if (error.kind !== "fatal") return { error, mayBeOfOneEvent: false };
      // Nothing was answered. Whether it is final is for `connect` to say, which reads the certificates anew.
      throw new SinkError("retryable", error.message, { cause: error });
    }
  }

  /** A 401 counts only when new credentials, where there are any, do no better. */
  async #send(outgoing: Outgoing, signal: AbortSignal): Promise<Answer> {
    if (!this.#http) throw new SinkError("retryable", `Cannot deliver to ${this.#url.origin}: not connected`);
    for (let attempt = 1;; attempt++) {
      if (outgoing.method === "POST") await this.#mayBegin(signal);
      const proof = await this.#credentials.headers(this.#http, signal);
      const answer = await this.#http.send(this.#url, this.#request(outgoing, proof), signal);
      if (answer.status !== 401 || attempt > 1 || !this.#credentials.refused(proof)) return answer;
    }
  }

  #request(
    { method, headers: own, body, id }: Outgoing,
    proof: Readonly<Record<string, string>>,
  ): RequestInit {
    const headers = new Headers(this.#headers);
    const signature = this.#signer && id !== undefined && body !== undefined
      ? this.#signer.headers(id, this.#clock.now(), body)
      : {};
    for (const [name, value] of Object.entries({ ...proof, ...own, ...signature })) headers.set(name, value);
    return { method, headers, ...(body !== undefined && { body }) };
  }

  /** Waits for the turn of a request, as the rate has it; throws while the far end wants none. */
  async #mayBegin(signal: AbortSignal): Promise<void> {
    try {
      await this.#rate.admit(signal);
    } catch (error) {
      throw new SinkError("retryable", `Cannot deliver to ${this.#url.origin}: stopped`, { cause: error });
    }
    const wait = this.#closedUntil - this.#clock.steady();
    if (wait <= 0) return;
    throw new SinkError("retryable", `Cannot deliver to ${this.#url.origin}: it asked to wait`, {
      retryAfterMs: wait,
    });
  }

  #refusalOf({ status, headers }: Answer): Refusal | undefined {
    const kind = outcomeOf(status);
    if (kind === "delivered") return undefined;
    const wait = kind === "retryable" ? retryAfterMs(headers, this.#clock.now()) : undefined;
    // Section 2.2 of the webhook specification forbids any request, also one of another event, until then.
    if (status === 429 && wait !== undefined) this.#closedUntil = this.#clock.steady() + wait;
    const error = new SinkError(
      kind,
      `Cannot deliver to ${this.#url.origin}: it answers ${status}${hint(status, headers)}`,
      wait === undefined ? {} : { retryAfterMs: wait },
    );
    const failsAtSomething = status >= 500 && status !== 503 && wait === undefined;
    return { error, mayBeOfOneEvent: kind === "rejected" || failsAtSomething };
  }
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
