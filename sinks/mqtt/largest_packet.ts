import { parser } from "mqtt-packet";

/** Bytes of a packet that a broker may send; to who subscribes to nothing it has no more than reasons to tell. */
const LARGEST_PACKET = 1024 * 1024;

/** Of the clients that take no larger packets, the options, which their parsers have, too. */
const limited = new WeakSet<object>();

/**
 * Has mqtt-packet 9.0.2 refuse a packet for a client by its length; by itself it gathers up to 256 MiB of one before it
 * looks. The version is pinned, and a test shows that it does. To be called before anything is read.
 */
export function limitPackets(options: object): void {
  patch();
  limited.add(options);
}

function patch(): void {
  if (isPatched) return;
  isPatched = true;
  const prototype: PacketParser = Object.getPrototypeOf(parser());
  const parseLength = prototype._parseLength;
  prototype._parseLength = function (this: PacketParser): boolean {
    const isThere = parseLength.call(this);
    if (!isThere || this.packet.length <= LARGEST_PACKET || !limited.has(this.settings)) return isThere;
    return this._emitError(new Error(`the broker's packet has a length of ${this.packet.length} bytes`));
  };
}

let isPatched = false;

interface PacketParser {
  readonly settings: object;
  readonly packet: { readonly length: number };
  _parseLength(): boolean;
  _emitError(error: Error): boolean;
}
