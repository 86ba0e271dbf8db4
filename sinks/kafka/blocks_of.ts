import type { Buffer } from "node:buffer";
import { setImmediate } from "node:timers/promises";

/** What is compressed in some milliseconds. */
const STRETCH = 1_000_000;

/** Bytes in blocks, all but the last of one size; after each megabyte other work of the process gets its turn. */
export async function* blocksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0, pause = STRETCH; start < bytes.length; start += size) {
    if (start >= pause) {
      await setImmediate();
      pause += STRETCH;
    }
    yield bytes.subarray(start, start + size);
  }
}
