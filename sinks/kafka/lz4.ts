import { Buffer } from "node:buffer";
import LZ4 from "numcodecs/lz4";
import { blocksOf } from "./blocks_of.ts";
import type { Codec } from "./codec.ts";

/**
 * Magic number, flags (version 1, blocks that do not depend on each other, no checksums, no size), the size of blocks
 * (64 KiB at most), and the checksum of these flags and size: the header that Kafka's own clients write.
 */
const HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
const BLOCK_BYTES = 65_536;
const END_MARK = Buffer.alloc(4);
const IS_STORED = 0x8000_0000;

/**
 * LZ4 as Kafka has it: the LZ4 frame, with blocks that do not depend on each other, since Kafka refuses others.
 *
 *     frame := magic:uint32 flags:uint8 blockSize:uint8 contentSize:uint64? headerChecksum:uint8     little-endian
 *              (size:uint32 block blockChecksum:uint32?)* endMark:uint32 contentChecksum:uint32?
 *
 * The highest bit of a size is set where the block is stored as it is. Checksums are left out, and not looked at, since
 * a batch has one of its own.
 *
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
export const lz4: Codec = {
  async compress(records) {
    const parts: Uint8Array[] = [HEADER];
    for await (const block of blocksOf(records, BLOCK_BYTES)) {
      const compressed = await compressBlock(block);
      const isStored = compressed.length >= block.length;
      const size = Buffer.alloc(4);
      size.writeUInt32LE(isStored ? block.length + IS_STORED : compressed.length);
      parts.push(size, isStored ? block : compressed);
    }
    return Buffer.concat([...parts, END_MARK]);
  },

  async decompress(compressed) {
    const { blockBytes, hasBlockChecksums, headerBytes } = readHeader(compressed);
    const parts: Buffer[] = [];
    for (let offset = headerBytes;;) {
      const size = compressed.readUInt32LE(offset);
      if (size === 0) return Buffer.concat(parts);
      const start = offset + 4;
      const end = start + size % IS_STORED;
      if (end > compressed.length) throw new Error("Cannot read LZ4: a block is cut off");
      const block = compressed.subarray(start, end);
      parts.push(size >= IS_STORED ? block : await readBlock(block, blockBytes));
      offset = end + (hasBlockChecksums ? 4 : 0);
    }
  },
};

function readHeader(frame: Buffer) {
  if (!frame.subarray(0, 4).equals(HEADER.subarray(0, 4))) throw new Error("Cannot read LZ4: it is no frame");
  const flags = frame.readUInt8(4);
  const has = (flag: number) => (flags & flag) !== 0;
  if (flags >> 6 !== 1) throw new Error("Cannot read LZ4: a frame of another version");
  if (!has(0x20)) throw new Error("Cannot read LZ4: blocks depend on each other");
  if (has(0x01)) throw new Error("Cannot read LZ4: it needs a dictionary");
  return {
    blockBytes: 2 ** (8 + 2 * (frame.readUInt8(5) >> 4 & 7)),
    hasBlockChecksums: has(0x10),
    headerBytes: has(0x08) ? 15 : 7,
  };
}

/** The codec of Zarr, which is LZ4's own with the block's length before it, as a little-endian `uint32`. */
const codec = LZ4.fromConfig({ id: LZ4.codecId });

async function compressBlock(block: Buffer): Promise<Buffer> {
  const { buffer, byteOffset, byteLength } = await codec.encode(block);
  return Buffer.from(buffer, byteOffset + 4, byteLength - 4);
}

/** Of as many bytes as it has, at most as many as are allowed. */
async function readBlock(block: Buffer, atMost: number): Promise<Buffer> {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(atMost);
  try {
    const { buffer, byteOffset, byteLength } = await codec.decode(Buffer.concat([length, block]));
    return Buffer.from(buffer, byteOffset, byteLength);
  } catch (cause) {
    throw new Error("Cannot read LZ4: a block is malformed", { cause });
  }
}
