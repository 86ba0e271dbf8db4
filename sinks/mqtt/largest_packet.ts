import { parser } from "mqtt-packet";

/** Bytes of a packet that a broker may send; to who subscribes to nothing it has no more than reasons to tell. */
const LARGEST_PACKET = 1024 * 1024;

/**
 * Has mqtt-packet 9.0.2 refuse a packet by its length; by itself it gathers up to 256 MiB of one before it looks. The
 * version is pinned, and a test shows that it does.
 */
export function limitPackets(): void {
  const prototype: PacketParser = Object.getPrototypeOf(parser());
  if (limited.has(prototype)) return;
  limited.add(prototype);
  const parseLength = prototype._parseLength;
  prototype._parseLength = function (this: PacketParser): boolean {
    const isThere = parseLength.call(this);
    if (!isThere || this.packet.length <= LARGEST_PACKET) return isThere;
    return this._emitError(new Error(`the broker's packet has a length of ${this.packet.length} bytes`));
  };
}

const limited = new WeakSet<PacketParser>();

interface PacketParser {
  readonly packet: { readonly length: number };
  _parseLength(): boolean;
  _emitError(error: Error): boolean;
}
