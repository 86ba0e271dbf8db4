import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { isCancelRequest } from "./frontend_messages.ts";
import { closeSocket } from "./socket.ts";

/** A session that somebody else has opened, and what the server would have said to whoever opened it. */
export interface Handover {
  readonly socket: Socket;
  readonly greeting: Uint8Array;
}

/**
 * What postgres.js takes for its socket: the first that it writes, a StartupMessage, is kept back and answered by the
 * greeting of a session that was opened otherwise; from then on bytes go through. If it is a CancelRequest, that is
 * passed to `cancel`, and the socket closes as the server would close it.
 */
export class SqlSocket extends Duplex {
  readonly #open: (signal: AbortSignal) => Promise<Handover>;
  readonly #cancel: (request: Uint8Array, signal: AbortSignal) => Promise<void>;
  readonly #abandoned = new AbortController();
  #opening: Promise<void> | undefined;
  #socket: Socket | undefined;

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
    const { socket, greeting } = await this.#open(this.#abandoned.signal);
    socket.on("data", (chunk) => this.push(chunk) || socket.pause());
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
    this.#socket = socket;
    this.push(greeting);
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => {});
    if (this.#socket) await closeSocket(this.#socket, new Uint8Array(0));
  }
}
