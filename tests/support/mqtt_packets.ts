import type { TcpProxy } from "./tcp_proxy.ts";

const PUBLISH = 3;

/**
 * Counts the packets that a client sends through a proxy, one connection after another. A packet is a byte, whose upper
 * half is its type, its remaining length in bytes of seven bits, the lowest first, and that many more.
 */
export class MqttPackets {
  publishes = 0;
  /** PUBLISH packets with the DUP flag. */
  repeats = 0;
  /** The largest PUBLISH, its first byte and length included. */
  largest = 0;
  #connection = 0;
  #bytes: number[] = [];
  /** Bytes of the current packet that are still to come. */
  #skip = 0;

  constructor(proxy: TcpProxy) {
    proxy.onData = (direction, bytes) => {
      if (direction === "down") return;
      if (proxy.connections !== this.#connection) {
        this.#connection = proxy.connections;
        this.#bytes = [];
        this.#skip = 0;
      }
      this.#read(bytes);
    };
  }

  #read(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const byte = bytes[at++] ?? 0;
      this.#bytes.push(byte);
      if (this.#bytes.length === 1 || byte >= 0x80) continue;
      const [first = 0, ...length] = this.#bytes;
      this.#bytes = [];
      this.#skip = length.reduce((sum, each, place) => sum + (each & 0x7f) * 128 ** place, 0);
      if (first >> 4 !== PUBLISH) continue;
      this.publishes++;
      if ((first & 0x08) !== 0) this.repeats++;
      this.largest = Math.max(this.largest, 1 + length.length + this.#skip);
    }
  }
}
