import type { Socket } from "node:net";
import { copyData, copyDone } from "./frontend_messages.ts";
import type { MessageReader } from "./message_reader.ts";
import { ProtocolError } from "../protocol_error.ts";
import { ServerError } from "./server_error.ts";

/**
 * Both directions of a replication stream: CopyData payloads from the server and to it.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 */
export interface CopyBoth {
  /**
   * Payloads of CopyData messages in order, in arrays of what one read of the socket completed; views into received
   * bytes, which stay as they are for as long as they are kept. Ends when the server ends the copy. For one reader at a
   * time; who stops, or aborts, may read on with another call and has missed nothing.
   *
   * Pull-driven: while nobody pulls, about 256 KiB are read ahead and then the socket is paused.
   *
   * Throws the signal's reason; a `ServerError` when the server ends the copy by an error (57P01: it is shut down); an
   * `Error` when the connection is lost.
   */
  read(signal: AbortSignal): AsyncGenerator<readonly Uint8Array[], void, void>;

  /** Sends one CopyData, at any time, whether or not somebody reads. On a lost connection it does nothing. */
  write(payload: Uint8Array): void;

  /**
   * Sends CopyDone and drops what still comes until the server has ended the copy too; the connection can then be
   * queried again. Nobody may be reading. Throws as `read` does; after an abort another call goes on with it, and once it
   * is done, does nothing.
   */
  end(signal: AbortSignal): Promise<void>;
}

export class CopyBothStream implements CopyBoth {
  readonly #reader: MessageReader;
  readonly #socket: Socket;
  readonly #release: () => void;
  #isOver = false;
  #isDoneSent = false;
  #isReleased = false;

  /** `release` is called when the server is ready for the next query. */
  constructor(reader: MessageReader, socket: Socket, release: () => void) {
    this.#reader = reader;
    this.#socket = socket;
    this.#release = release;
  }

  async *read(signal: AbortSignal): AsyncGenerator<readonly Uint8Array[], void, void> {
    while (!this.#isOver) {
      const received = await this.#reader.take(signal);
      if (received.kind === "copyData") {
        yield received.payloads;
        continue;
      }
      this.#isOver = true;
      switch (received.type) {
        case "c":
        case "C": // A server that is shut down ends its command, but not the copy.
          return;
        case "E":
          throw new ServerError(received.body);
        default:
          throw new ProtocolError(
            `Cannot read the copy: message '${received.type}' does not belong to one`,
            0,
          );
      }
    }
  }

  write(payload: Uint8Array): void {
    this.#socket.write(copyData(payload));
  }

  async end(signal: AbortSignal): Promise<void> {
    if (this.#isReleased) return;
    if (!this.#isDoneSent) this.#socket.write(copyDone());
    this.#isDoneSent = true;
    let failure: ServerError | undefined;
    for (;;) {
      const received = await this.#reader.take(signal).catch((error) => {
        throw !signal.aborted && failure ? failure : error;
      });
      if (received.kind === "copyData") continue;
      if (received.type === "E") failure ??= new ServerError(received.body);
      if (received.type === "Z") break;
    }
    this.#isOver = true;
    this.#isReleased = true;
    this.#release();
    if (failure) throw failure;
  }
}
