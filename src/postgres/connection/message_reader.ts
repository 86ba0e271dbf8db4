import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { logOf } from "../../observe/log.ts";
import { ByteReader } from "../byte_reader.ts";
import { MessageFramer, type Received } from "./message_framer.ts";
import { readNotice } from "./server_error.ts";

const log = logOf("postgres");

/** With so much waiting to be taken, the socket is not read any more. */
const BUFFER_LIMIT = 256 * 1024;

/** A login needs little; who is not logged in to is not believed about more. */
const LOGIN_MESSAGE_LIMIT = 64 * 1024;

/** What a session says on a channel that others listen to. */
export interface Notification {
  /** The sending session's process at the server. */
  readonly processId: number;
  readonly channel: string;
  /** Text in the client encoding; a view into received bytes. */
  readonly payload: Uint8Array;
}

interface Waiter {
  resolve(received: Received): void;
  reject(error: unknown): void;
}

/**
 * The server's messages off one socket, in order, for one taker at a time. Reading ahead of the taker is bounded: past
 * 256 KiB of whole messages the socket is paused until all of them are taken.
 *
 * What the server may send at any time is dealt with here and never taken: notices go to the log, parameters are noted,
 * notifications handed on at once or, when nobody wants them, dropped.
 */
export class MessageReader {
  readonly #socket: Duplex;
  readonly #peer: string;
  readonly #framer = new MessageFramer(LOGIN_MESSAGE_LIMIT);
  readonly #parameters = new Map<string, string>();
  #queue: Received[] = [];
  #buffered = 0;
  #paused = false;
  #waiter: Waiter | undefined;
  #failure: Error | undefined;
  /** Called with each, in order, while they are read; what it throws ends the connection. */
  onNotification: ((notification: Notification) => void) | undefined;

  /** `peer` is the server's name for error messages. */
  constructor(socket: Duplex, peer: string) {
    this.#socket = socket;
    this.#peer = peer;
    socket.on("data", this.#onData);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  /** The session's parameters that the server reports (ParameterStatus), as they are now. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters;
  }

  set messageLimit(bytes: number) {
    this.#framer.limit = bytes;
  }

  /** Why nothing more will come, once that is so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The next that has already arrived. */
  poll(): Received | undefined {
    const received = this.#queue.shift();
    if (this.#queue.length === 0) {
      this.#buffered = 0;
      if (this.#paused) {
        this.#paused = false;
        this.#socket.resume();
      }
    }
    return received;
  }

  /**
   * The next, as soon as it arrives; rejects when the connection is lost (after all that came before was taken) or
   * with the signal's reason, which loses nothing: what comes is there for the next take.
   */
  async take(signal: AbortSignal): Promise<Received> {
    signal.throwIfAborted();
    const received = this.poll();
    if (received) return received;
    if (this.#failure) throw this.#failure;
    if (this.#waiter) throw new Error(`Cannot read from ${this.#peer}: somebody else is reading`);

    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const abort = () => {
      this.#waiter = undefined;
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#waiter = { resolve, reject };
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Leaves the socket, paused, to somebody else; throws if something was read that would be lost by it. */
  detach(): void {
    if (this.#queue.length > 0 || !this.#framer.isBetweenMessages) {
      throw new Error(`Cannot hand over the connection to ${this.#peer}: messages have arrived unasked`);
    }
    this.#socket.pause();
    this.#socket.off("data", this.#onData);
    this.#socket.off("error", this.#onError);
    this.#socket.off("close", this.#onClose);
  }

  readonly #onData = (chunk: Buffer): void => {
    const before = this.#queue.length;
    try {
      // Not a Buffer, whose `slice` makes a view where everybody expects a copy.
      const received = this.#framer.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
      for (const each of received) if (!this.#isForNobody(each)) this.#queue.push(each);
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
      return;
    }
    if (this.#queue.length === before) return;
    this.#buffered += chunk.length;

    const waiter = this.#waiter;
    if (waiter) {
      this.#waiter = undefined;
      waiter.resolve(this.#queue.shift() as Received);
      if (this.#queue.length === 0) this.#buffered = 0;
    }
    if (this.#buffered >= BUFFER_LIMIT) {
      this.#paused = true;
      this.#socket.pause();
    }
  };

  /**
   * Deals with NoticeResponse, ParameterStatus (String name, String value) and NotificationResponse (Int32 process id,
   * String channel, String payload).
   */
  #isForNobody(received: Received): boolean {
    if (received.kind !== "message") return false;
    switch (received.type) {
      case "N":
        log.debug("Notice from the server", { server: this.#peer, ...readNotice(received.body) });
        return true;
      case "S": {
        const status = new ByteReader(received.body);
        this.#parameters.set(status.cString(), status.cString());
        return true;
      }
      case "A":
        if (this.onNotification) this.onNotification(readNotification(received.body));
        return true;
      default:
        return false;
    }
  }

  readonly #onError = (error: Error): void => {
    this.#fail(new Error(`Cannot read from ${this.#peer}: ${error.message}`, { cause: error }));
  };

  readonly #onClose = (): void => {
    this.#fail(new Error(`Cannot read from ${this.#peer}: the connection was closed`));
  };

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiter?.reject(this.#failure);
    this.#waiter = undefined;
  }
}

function readNotification(body: Uint8Array): Notification {
  const reader = new ByteReader(body);
  const processId = reader.int32();
  const channel = reader.cString();
  const payload = reader.rest();
  return { processId, channel, payload: payload.subarray(0, payload.length - 1) };
}
