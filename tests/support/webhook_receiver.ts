import { HttpReader } from "./http_reader.ts";

/** A request as it came over the wire. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case; values as they were sent, percent-encoding included. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** `performance.now()` when it was complete. */
  readonly at: number;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
}

/** What the receiver does with a request. */
export type Reply =
  /** A status without a body. */
  | number
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** These bytes, whatever they are, and the end of the connection: garbage, half a response, or with "" none. */
  | { readonly raw: string }
  /** Never answers. */
  | "hang"
  /** 200, and a body that never ends. */
  | "endless";

/** Decides on each request; requests of other connections are answered meanwhile. */
export type Respond = (request: ReceivedRequest) => Reply | Promise<Reply>;

export interface WebhookReceiverOptions {
  /** Default: one that is free. */
  readonly port?: number;
  /** PEM; with it the receiver speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Default: 204 for everything. */
  readonly respond?: Respond;
}

/**
 * A far end for webhooks, on a loopback address, that records what it gets and answers what a test says. It reads
 * HTTP/1.1 by itself, so that a test sees header values as sent and can answer with anything.
 */
export class WebhookReceiver implements AsyncDisposable {
  /** Every request in order of arrival, POST and others. */
  readonly requests: ReceivedRequest[] = [];
  /** Connections accepted so far. */
  connections = 0;
  /** Requests that are not answered yet. */
  pending = 0;
  /** The most that were not answered at once. */
  mostPending = 0;
  /** Answers requests; for POST, what `script` gave comes first. */
  respond: Respond;

  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #scheme: string;
  readonly #script: Reply[] = [];
  readonly #open = new Set<Deno.Conn>();
  readonly #serving = new Set<Promise<void>>();
  readonly #waiters = new Set<() => void>();
  readonly #disposed = Promise.withResolvers<Reply>();
  #failure: unknown;

  constructor(options: WebhookReceiverOptions = {}) {
    const address = { hostname: "127.0.0.1", port: options.port ?? 0 };
    this.#listener = options.tls ? Deno.listenTls({ ...address, ...options.tls }) : Deno.listen(address);
    this.#scheme = options.tls ? "https" : "http";
    this.respond = options.respond ?? (() => 204);
    this.#track(this.#accept());
  }

  get port(): number {
    return this.#listener.addr.transport === "tcp" ? this.#listener.addr.port : 0;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/events`;
  }

  /** The POST requests in order of arrival. */
  get posts(): ReceivedRequest[] {
    return this.requests.filter((request) => request.method === "POST");
  }

  /** Answers the next POST requests with these, one each; after them `respond` decides again. */
  script(...replies: Reply[]): void {
    this.#script.push(...replies);
  }

  /**
   * Resolves once so many POST requests have come, or once `when` says so; it is asked after each request. Throws when
   * none has come for `patience` milliseconds.
   */
  async received(
    when: number | ((posts: readonly ReceivedRequest[]) => boolean),
    patience = 60_000,
  ): Promise<void> {
    const enough = typeof when === "number" ? () => this.posts.length >= when : () => when(this.posts);
    while (!enough()) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        const awaited = typeof when === "number" ? `${when} POST requests` : "POST requests";
        reject(new Error(`Waited ${patience} ms for more than ${this.posts.length} of ${awaited}`));
      }, patience);
      this.#waiters.add(resolve);
      await promise.finally(() => clearTimeout(timer));
    }
  }

  /** Stops listening and cuts every connection; throws what `respond` threw, which was answered with 500. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    this.#disposed.resolve({ raw: "" }); // instead of what a test that failed has left unanswered
    await Promise.all(this.#serving);
    if (this.#failure) throw this.#failure;
  }

  #track(work: Promise<void>): void {
    this.#serving.add(work);
    work.finally(() => this.#serving.delete(work));
  }

  async #accept(): Promise<void> {
    while (true) {
      let connection: Deno.Conn;
      try {
        connection = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        continue; // A failed TLS handshake is the caller's trouble.
      }
      this.#open.add(connection);
      this.#track(this.#serve(connection, ++this.connections));
    }
  }

  async #serve(connection: Deno.Conn, number: number): Promise<void> {
    try {
      const reader = new HttpReader(connection);
      for (let head = await reader.head(); head; head = await reader.head()) {
        const body = await reader.body(head.headers);
        const request = { ...head, body, at: performance.now(), connection: number };
        if (!await this.#answer(connection, reader, request)) return;
      }
    } catch {
      // The other side or a test cut the connection.
    } finally {
      this.#open.delete(connection);
      close(connection);
    }
  }

  async #decide(request: ReceivedRequest): Promise<Reply> {
    const scripted = request.method === "POST" ? this.#script.shift() : undefined;
    try {
      const reply = scripted ?? this.respond(request);
      return reply instanceof Promise ? await Promise.race([reply, this.#disposed.promise]) : reply;
    } catch (error) {
      this.#failure ??= error;
      return 500;
    }
  }

  /** Whether the connection goes on. */
  async #answer(connection: Deno.Conn, reader: HttpReader, request: ReceivedRequest): Promise<boolean> {
    this.requests.push(request);
    this.mostPending = Math.max(this.mostPending, ++this.pending);
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
    try {
      const reply = await this.#decide(request);
      if (reply === "hang") {
        await reader.end();
        return false;
      }
      if (reply === "endless") {
        await write(connection, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while (true) await write(connection, `400\r\n${"x".repeat(0x400)}\r\n`);
      }
      if (typeof reply === "object" && "raw" in reply) {
        await write(connection, reply.raw);
        return false;
      }
      await write(connection, response(typeof reply === "number" ? { status: reply } : reply));
      return request.headers.get("connection") !== "close";
    } finally {
      this.pending--;
    }
  }
}

function response(
  reply: { status: number; headers?: Readonly<Record<string, string>>; body?: string },
): string {
  const body = reply.body ?? "";
  let head = `HTTP/1.1 ${reply.status} Scripted\r\n`;
  for (const [name, value] of Object.entries(reply.headers ?? {})) head += `${name}: ${value}\r\n`;
  if (reply.status !== 204 && reply.status !== 304) {
    head += `content-length: ${new TextEncoder().encode(body).length}\r\n`;
  }
  return `${head}\r\n${body}`;
}

async function write(connection: Deno.Conn, text: string): Promise<void> {
  let bytes: Uint8Array = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
