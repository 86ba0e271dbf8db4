import type { Buffer } from "node:buffer";
import { CompressionCodecs, CompressionTypes } from "kafkajs";
import type { Codec } from "./codec.ts";

/** How kafkajs knows the compressions that a configuration can ask for. */
export const COMPRESSIONS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
} as const;

// kafkajs brings gzip alone.
register(CompressionTypes.Snappy, async () => (await import("./snappy.ts")).snappy);
register(CompressionTypes.LZ4, async () => (await import("./lz4.ts")).lz4);
register(CompressionTypes.ZSTD, async () => (await import("./zstd.ts")).zstd);

/** Loaded by the first records that need it: those of a sink that is so configured, or of a topic that is read. */
function register(type: Exclude<CompressionTypes, CompressionTypes.None>, load: () => Promise<Codec>): void {
  CompressionCodecs[type] = () => ({
    compress: async ({ buffer }: { readonly buffer: Buffer }) => (await load()).compress(buffer),
    decompress: async (buffer: Buffer) => (await load()).decompress(buffer),
  });
}
