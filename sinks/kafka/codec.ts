import type { Buffer } from "node:buffer";

/** One of Kafka's compressions, of the records of a batch. What it throws tells what was read and cannot be. */
export interface Codec {
  compress(records: Buffer): Promise<Buffer>;
  decompress(compressed: Buffer): Promise<Buffer>;
}
