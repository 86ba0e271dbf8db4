/** Bytes of a response, at most: no request of ours has a larger answer, and no broker takes a larger request. */
const LARGEST_RESPONSE = 100 * 1024 * 1024;

const PREFIX = 4;

/**
 * Watches where a broker's responses begin, each of which is an Int32 length and so many bytes, and throws for a length
 * that cannot be believed: kafkajs would gather gigabytes, or look for the next response in one place for ever.
 * @see https://kafka.apache.org/protocol#protocol_common
 */
export class ResponseFrames {
  /** Bytes that are still to come of the response under way. */
  #left = 0;
  /** Of a length that is not complete. */
  #length = 0;
  #lengthBytes = 0;

  /** To be called with all that comes, in order. @param shortest bytes that a response has at least */
  push(chunk: Uint8Array, shortest: number): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, chunk.length - at);
        this.#left -= passed;
        at += passed;
        continue;
      }
      this.#length = (this.#length << 8) | (chunk[at++] ?? 0);
      if (++this.#lengthBytes < PREFIX) continue;
      if (this.#length < shortest || this.#length > LARGEST_RESPONSE) {
        throw new Error(`the broker's response has a length of ${this.#length} bytes`);
      }
      this.#left = this.#length;
      this.#length = this.#lengthBytes = 0;
    }
  }
}
