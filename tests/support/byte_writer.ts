const encoder = new TextEncoder();

/** Builds bytes as PostgreSQL's protocol writes them; the counterpart of `ByteReader`. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  uint8(value: number): this {
    this.#room(1).setUint8(0, value);
    return this;
  }

  int16(value: number): this {
    this.#room(2).setInt16(0, value);
    return this;
  }

  /** Signed or unsigned: only the low 32 bits count. */
  int32(value: number): this {
    this.#room(4).setInt32(0, value | 0);
    return this;
  }

  /** Signed or unsigned: only the low 64 bits count. */
  int64(value: bigint): this {
    this.#room(8).setBigUint64(0, BigInt.asUintN(64, value));
    return this;
  }

  /** The code of one ASCII character. */
  character(character: string): this {
    return this.uint8(character.charCodeAt(0));
  }

  /** Text and a zero byte. */
  cString(text: string): this {
    return this.bytes(encoder.encode(text)).uint8(0);
  }

  bytes(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length - bytes.length);
    return this;
  }

  /** An Int32 of how many bytes follow, and the bytes. */
  counted(bytes: Uint8Array): this {
    return this.int32(bytes.length).bytes(bytes);
  }

  /** A copy of all that was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #room(length: number): DataView {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return new DataView(this.#bytes.buffer, start, length);
  }
}
