import type { Answer } from "./http_answer.ts";
import { SinkError } from "./sink_error.ts";

export interface HttpClientOptions {
  /** For a whole request, milliseconds. */
  readonly timeout: number;
  /** Connections that are kept while nothing is sent. */
  readonly connections: number;
  /** PEM certificates of authorities to trust too; an absolute path. */
  readonly caFile: string | undefined;
  /** PEM files of the certificate that the program shows, and of its key; absolute paths. */
  readonly identity?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

/** `fetch` over the client's connections, within its timeout, without following redirects. */
export type BoundFetch = (url: string | URL, request: RequestInit) => Promise<Response>;

/** Of an answer's body, which nobody wants, so much is read to keep the connection; past it the connection goes. */
const BODY_BYTES = 65_536;

/** Requests over connections that stay open. What fails is a `SinkError` that shows no more of the URL than its host. */
export class HttpClient implements Disposable {
  readonly #timeout: number;
  readonly #client: Deno.HttpClient;

  private constructor(timeout: number, client: Deno.HttpClient) {
    this.#timeout = timeout;
    this.#client = client;
  }

  /** Reads the certificates; reaches nobody yet. */
  static async open({ timeout, connections, caFile, identity }: HttpClientOptions): Promise<HttpClient> {
    try {
      const caCerts = caFile === undefined ? [] : [await Deno.readTextFile(caFile)];
      const shown = identity && {
        cert: await Deno.readTextFile(identity.certFile),
        key: await Deno.readTextFile(identity.keyFile),
      };
      return new HttpClient(
        timeout,
        Deno.createHttpClient({ caCerts, poolMaxIdlePerHost: connections, ...shown }),
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : error;
      const files = [caFile, identity?.certFile, identity?.keyFile].filter((file) => file !== undefined);
      throw new SinkError("fatal", `Cannot use the certificates of ${files.join(", ")}: ${reason}`, {
        cause: error,
      });
    }
  }

  /** Resolves once the answer is there and its body read. */
  send(url: URL, request: RequestInit, signal: AbortSignal): Promise<Answer> {
    return this.exchange(url, signal, async (fetch) => {
      const response = await fetch(url, request);
      await drain(response.body);
      return { status: response.status, headers: response.headers };
    });
  }

  /** Lets `work` do a whole request and read its answer within the timeout. */
  async exchange<Result>(
    url: URL,
    signal: AbortSignal,
    work: (fetch: BoundFetch) => Promise<Result>,
  ): Promise<Result> {
    // Not AbortSignal.any(): a signal that lives as long as the sink would gather one dependent for each request.
    const abort = new AbortController();
    const stop = () => abort.abort(signal.reason);
    const timer = setTimeout(() => abort.abort(), this.#timeout);
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      return await work((target, request) =>
        fetch(target, { ...request, redirect: "manual", signal: abort.signal, client: this.#client })
      );
    } catch (error) {
      if (signal.aborted) throw new SinkError("retryable", `Cannot reach ${url.origin}: stopped`);
      if (abort.signal.aborted) {
        throw new SinkError("retryable", `Cannot reach ${url.origin}: no answer within ${this.#timeout} ms`);
      }
      throw error instanceof SinkError ? error : networkError(url, error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** The status says everything: that the rest of an answer is late, broken or endless changes nothing. */
async function drain(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (!body) return;
  const reader = body.getReader();
  try {
    let left = BODY_BYTES;
    while (left > 0) {
      const { done, value } = await reader.read();
      if (done) return;
      left -= value.length;
    }
    await reader.cancel();
  } catch {
    // As above.
  }
}

/**
 * Deno's message has the whole URL, whose path or query may be a secret, and hides the reason at its end:
 * `error sending request for url (…): client error (Connect): dns error: failed to lookup …`.
 */
function networkError(url: URL, error: unknown): SinkError {
  if (!(error instanceof Error)) return new SinkError("retryable", `Cannot reach ${url.origin}: ${error}`);
  const message = error.cause instanceof Error ? error.cause.message : error.message;
  const reason = /client error \(\w+\): (.*)$/s.exec(message)?.[1] ?? message;
  const shown = reason.replaceAll(url.href, url.origin);
  const isRefused = REFUSED_CERTIFICATE.test(reason);
  const kind = isRefused || error instanceof Deno.errors.NotCapable ? "fatal" : "retryable";
  const hint = isRefused ? " (the client's certificate is refused)" : "";
  return new SinkError(kind, `Cannot reach ${url.origin}: ${shown}${hint}`, {
    cause: new Error(message.replaceAll(url.href, url.origin)),
  });
}

/** The alerts of TLS that a server sends when it wants another client certificate (RFC 8446, section 6.2). */
const REFUSED_CERTIFICATE =
  /fatal alert: (BadCertificate|UnsupportedCertificate|Certificate(Required|Revoked|Expired|Unknown)|UnknownC[Aa]|AccessDenied)/;
