import { ProtocolError } from "../protocol_error.ts";

/**
 * What the server sent, as far as one read completed it: a message, or a run of adjacent CopyData messages without
 * their headers. Bytes are views into what was read.
 */
export type Received =
  | { readonly kind: "message"; readonly type: string; readonly body: Uint8Array }
  | { readonly kind: "copyData"; readonly payloads: readonly Uint8Array[] };

const HEADER_LENGTH = 5;
const COPY_DATA_TYPE = 0x64; // 'd'

/** Nothing that the server sends is longer than its largest allocation, 1 GiB. */
export const LARGEST_MESSAGE = 0x4000_0000;

/**
 * Cuts the server's bytes into messages: Byte1 type, Int32 length (of itself and what follows), body. A message that
 * lies whole within one chunk is never copied; one that straddles chunks is put together once, in a buffer of its own.
 * @see https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
export class MessageFramer {
  /** The longest message that is believed; the login allows far less than replication needs. */
  limit: number;
  readonly #header = new Uint8Array(HEADER_LENGTH);
  /** Of a message that is not complete: how much of its header is there, then how much of its body. */
  #headerFilled = 0;
  #body: Uint8Array | undefined;
  #bodyFilled = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Whether all bytes so far were whole messages. */
  get isBetweenMessages(): boolean {
    return this.#headerFilled === 0;
  }

  /** What the chunk completes, in order. The chunk is kept, not copied: it must not change any more. */
  push(chunk: Uint8Array): Received[] {
    const received: Received[] = [];
    let run: Uint8Array[] | undefined;
    let offset = 0;

    if (this.#headerFilled > 0) {
      offset = this.#fill(chunk, 0);
      const body = this.#takeCompleted();
      if (!body) return received;
      if (this.#header[0] === COPY_DATA_TYPE) received.push({ kind: "copyData", payloads: run = [body] });
      else received.push({ kind: "message", type: typeName(this.#header[0]), body });
    }

    // The hot path of replication: nothing is made here but the view and its place in the run.
    const lastHeader = chunk.length - HEADER_LENGTH;
    while (offset <= lastHeader) {
      const end = offset + 1 + this.#length(chunk, offset);
      if (end > chunk.length) break;
      const body = chunk.subarray(offset + HEADER_LENGTH, end);
      if (chunk[offset] === COPY_DATA_TYPE) {
        if (run) run.push(body);
        else received.push({ kind: "copyData", payloads: run = [body] });
      } else {
        received.push({ kind: "message", type: typeName(chunk[offset]), body });
        run = undefined;
      }
      offset = end;
    }

    if (offset < chunk.length) this.#fill(chunk, offset);
    return received;
  }

  /** Adds the chunk's bytes from `offset` to the message that is not complete; returns the offset of what is left. */
  #fill(chunk: Uint8Array, offset: number): number {
    if (!this.#body) {
      const part = chunk.subarray(offset, offset + HEADER_LENGTH - this.#headerFilled);
      this.#header.set(part, this.#headerFilled);
      this.#headerFilled += part.length;
      offset += part.length;
      if (this.#headerFilled < HEADER_LENGTH) return offset;
      this.#body = new Uint8Array(this.#length(this.#header, 0) - 4);
      this.#bodyFilled = 0;
    }
    const part = chunk.subarray(offset, offset + this.#body.length - this.#bodyFilled);
    this.#body.set(part, this.#bodyFilled);
    this.#bodyFilled += part.length;
    return offset + part.length;
  }

  #takeCompleted(): Uint8Array | undefined {
    const body = this.#body;
    if (!body || this.#bodyFilled < body.length) return undefined;
    this.#body = undefined;
    this.#headerFilled = 0;
    return body;
  }

  /** The length in the header at `offset`, all of which is there. */
  #length(bytes: Uint8Array, offset: number): number {
    const length = (byteAt(bytes, offset + 1) << 24) | (byteAt(bytes, offset + 2) << 16) |
      (byteAt(bytes, offset + 3) << 8) | byteAt(bytes, offset + 4);
    if (length < 4 || length > this.limit) {
      const type = typeName(bytes[offset]);
      throw new ProtocolError(`Cannot read message '${type}': its length is ${length >>> 0}`, offset + 1);
    }
    return length;
  }
}

function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

function typeName(byte: number | undefined): string {
  return String.fromCharCode(byte as number);
}
