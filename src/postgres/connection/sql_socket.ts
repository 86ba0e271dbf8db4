import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { encodeMessage } from "./backend_messages.ts";
import { isCancelRequest } from "./frontend_messages.ts";
import { LARGEST_MESSAGE, MessageFramer } from "./message_framer.ts";
import { ServerError } from "./server_error.ts";
import { closeSocket } from "./socket.ts";

/** A session that somebody else has opened, and what the server would have said to whoever opened it. */
export interface Handover {
  /** The server's name, for error messages. */
  readonly peer: string;
  readonly socket: Socket;
  readonly greeting: Uint8Array;
}

/**
 * What postgres.js takes for its socket: the first that it writes, a StartupMessage, is kept back and answered by the
 * greeting of a session that was opened otherwise; from then on bytes go through. If it is a CancelRequest, that is
 * passed to `cancel`, and the socket closes as the server would close it.
 *
 * A fatal error, by which the server ends the session (57P01, for one), is not passed through but is what the socket
 * fails with: postgres.js would keep it, and fail the first query of its next session by it.
 */
export class SqlSocket extends Duplex {
  readonly #open: (signal: AbortSignal) => Promise<Handover>;
  readonly #cancel: (request: Uint8Array, signal: AbortSignal) => Promise<void>;
  readonly #abandoned = new AbortController();
  #opening: Promise<void> | undefined;
  #socket: Socket | undefined;
  #peer = "";
  readonly #framer = new MessageFramer(LARGEST_MESSAGE);

  constructor(
    open: (signal: AbortSignal) => Promise<Handover>,
    cancel: (request: Uint8Array, signal: AbortSignal) => Promise<void>,
  ) {
    super();
    this.#open = open;
    this.#cancel = cancel;
  }

  /** Asked by postgres.js: only what is open does it end, and only on what is not closed does it wait. */
  get readyState(): "open" | "closed" {
    return this.destroyed ? "closed" : "open";
  }

  /** Called with the last bytes. A session that is still being opened is not waited for: there is nobody to say them to. */
  override end(...last: unknown[]): this {
    return this.#socket ? super.end(last[0]) : this.destroy();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    if (this.#socket) {
      this.#socket.write(chunk, callback);
      return;
    }
    this.#opening = this.#begin(chunk);
    this.#opening.then(() => callback(), callback);
  }

  override _read(): void {
    this.#socket?.resume();
  }

  /** Also for a server that never answers the end: whoever ends this has no more to hear. */
  override _final(callback: (error?: Error | null) => void): void {
    this.destroy();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abandoned.abort();
    this.#close().then(() => callback(error), callback);
  }

  async #begin(first: Uint8Array): Promise<void> {
    if (isCancelRequest(first)) {
      await this.#cancel(first, this.#abandoned.signal);
      this.destroy();
      return;
    }
    const { peer, socket, greeting } = await this.#open(this.#abandoned.signal);
    this.#peer = peer;
    socket.on("data", (chunk: Buffer) => this.#receive(socket, chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
    this.#socket = socket;
    this.push(greeting);
  }

  #receive(socket: Socket, chunk: Buffer): void {
    let wantsMore = true;
    try {
      for (const received of this.#framer.push(chunk)) {
        const { type, bodies } = received.kind === "message"
          ? { type: received.type, bodies: [received.body] }
          : { type: "d", bodies: received.payloads };
        for (const body of bodies) {
          if (type === "E") this.#throwIfFatal(body);
          wantsMore = this.push(encodeMessage(type, body));
        }
      }
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    if (!wantsMore) socket.pause();
  }

  #throwIfFatal(body: Uint8Array): void {
    const error = new ServerError(body, `Cannot run SQL on ${this.#peer}`);
    if (error.severity !== "ERROR") throw error;
  }

  /** Unless the end was asked for. */
  #fail(reason: Error): void {
    this.destroy(new Error(`Cannot run SQL on ${this.#peer}: ${reason.message}`, { cause: reason }));
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {});
    if (this.#socket) await closeSocket(this.#socket, new Uint8Array(0));
  }
}
