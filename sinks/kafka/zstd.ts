import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { Codec } from "./codec.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export const zstd: Codec = {
  compress: (records) => compress(records),
  decompress: (compressed) => decompress(compressed),
};
