import { ProtocolError } from "./protocol_error.ts";
import { utf8Text } from "./utf8.ts";

const NOTHING = new Uint8Array(0);

/**
 * The one cursor that reads what PostgreSQL sends: big-endian, bounds-checked, without a copy. Whatever the bytes
 * are, it throws nothing but a `ProtocolError`, with the offset of what could not be read; the cursor then stands
 * where it stood. One reader serves many messages: `reset` costs nothing.
 * @see https://www.postgresql.org/docs/current/protocol-message-types.html
 */
export class ByteReader {
  #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array = NOTHING) {
    this.#bytes = bytes;
  }

  /** Starts over, at the first of other bytes. */
  reset(bytes: Uint8Array): this {
    this.#bytes = bytes;
    this.#offset = 0;
    return this;
  }

  /** Of the next byte, from the first of the message. */
  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  uint8(): number {
    const value = this.#bytes[this.#offset];
    if (value === undefined) this.#overrun(1);
    this.#offset += 1;
    return value;
  }

  /** A byte that stands for a letter, as the protocol's message kinds do. */
  character(): string {
    return String.fromCharCode(this.uint8());
  }

  int16(): number {
    const at = this.#take(2);
    return (this.#byte(at) << 24 >> 16) | this.#byte(at + 1);
  }

  int32(): number {
    const at = this.#take(4);
    return (this.#byte(at) << 24) | (this.#byte(at + 1) << 16) | (this.#byte(at + 2) << 8) |
      this.#byte(at + 3);
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  /** The next `uint32`, which stays to be read. */
  peekUint32(): number {
    const value = this.uint32();
    this.#offset -= 4;
    return value;
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  uint64(): bigint {
    if (this.remaining < 8) this.#overrun(8);
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32());
  }

  /** Text up to a zero byte, which is read too. */
  cString(): string {
    const start = this.#offset;
    const end = this.#bytes.indexOf(0, start);
    if (end < 0) throw new ProtocolError("Cannot read text: no zero byte ends it", start);
    this.#offset = end + 1;
    return utf8Text(this.#bytes.subarray(start, end));
  }

  /** The next `length` bytes: a view, not a copy. */
  view(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, this.#offset);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.view(this.remaining);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** Throws unless everything has been read. */
  expectEnd(): void {
    if (this.remaining > 0) {
      throw new ProtocolError(`Cannot read message: ${this.remaining} bytes follow its end`, this.#offset);
    }
  }

  /** Steps over `length` bytes, all of which are there, and returns where they begin. */
  #take(length: number): number {
    const start = this.#offset;
    if (length < 0 || length > this.#bytes.length - start) this.#overrun(length);
    this.#offset = start + length;
    return start;
  }

  /** A byte that `#take` has found to be there. */
  #byte(at: number): number {
    return this.#bytes[at] as number;
  }

  #overrun(length: number): never {
    throw new ProtocolError(`Cannot read ${length} bytes: ${this.remaining} are left`, this.#offset);
  }
}
