import { Buffer } from "node:buffer";
import { snappyCompressor, snappyUncompressor } from "hysnappy";
import { blocksOf } from "./blocks_of.ts";
import type { Codec } from "./codec.ts";

/** As large as those of Kafka's own clients. */
const BLOCK_BYTES = 32_768;

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]); // "\x82SNAPPY\0"
const VERSION = Buffer.from([0, 0, 0, 1]);
const HEADER = Buffer.concat([MAGIC, VERSION, VERSION]);

/** No more than this comes of a byte: three of them copy 64. */
const MOST_EXPANSION = 22;

/**
 * Snappy as Kafka has it: in the stream format of snappy-java, which Kafka's brokers and all of its clients read.
 *
 *     stream := magic version:uint32 compatibleVersion:uint32 (size:uint32 block)*    big-endian
 *     block  := length:varint element*
 *
 * Some clients write a block without a stream around it; that is read, too.
 *
 * @see https://github.com/xerial/snappy-java#compatibility-notes
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export const snappy: Codec = {
  async compress(records) {
    const parts: Uint8Array[] = [HEADER];
    for await (const block of blocksOf(records, BLOCK_BYTES)) {
      const compressed = compressBlock(block);
      const size = Buffer.alloc(4);
      size.writeUInt32BE(compressed.length);
      parts.push(size, compressed);
    }
    return Buffer.concat(parts);
  },

  async decompress(compressed) {
    if (!compressed.subarray(0, MAGIC.length).equals(MAGIC)) return readBlock(compressed);
    const parts: Buffer[] = [];
    for (let offset = HEADER.length; offset < compressed.length;) {
      const start = offset + 4;
      offset = start + compressed.readUInt32BE(offset);
      if (offset > compressed.length) throw new Error("Cannot read Snappy: a block is cut off");
      parts.push(readBlock(compressed.subarray(start, offset)));
    }
    return Buffer.concat(parts);
  },
};

const compressBlock = snappyCompressor();
const uncompressBlock = snappyUncompressor();

function readBlock(block: Buffer): Buffer {
  const length = lengthOf(block);
  // So much memory it takes, whatever follows.
  if (length > block.length * MOST_EXPANSION) {
    throw new Error(`Cannot read Snappy: ${block.length} bytes are said to be ${length}`);
  }
  const { buffer, byteOffset, byteLength } = uncompressBlock(block, length);
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Seven bits in each byte, the lowest first, and the eighth where more follow. */
function lengthOf(block: Buffer): number {
  let length = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block.readUInt8(index);
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return length;
  }
  throw new Error("Cannot read Snappy: a block has no length");
}
