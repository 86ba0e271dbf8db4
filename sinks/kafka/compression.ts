import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { Buffer } from "node:buffer";
import { CompressionCodecs, CompressionTypes } from "kafkajs";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

// kafkajs brings gzip alone. Snappy and LZ4 take packages of their own, and are not offered yet.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: (encoder: { readonly buffer: Buffer }) => compress(encoder.buffer),
  decompress: (buffer: Buffer) => decompress(buffer),
});

/** How kafkajs knows the compressions that a configuration can ask for. */
export const COMPRESSIONS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
} as const;
