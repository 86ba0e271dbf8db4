import { SinkError } from "../../src/sink/sink_error.ts";

const LINE_END = 0x0a;
const BLOCK_BYTES = 65_536;
/** How every event begins that the sink writes. */
const BEGINNING = new TextEncoder().encode('{"specversion":');

/**
 * Makes a file end with a whole line, and gives the number of bytes that it removed. A crash can leave the beginning of
 * a line (or zeros, where the system had not written it yet). Its event was never settled, since a line settles only
 * after it was synced with its end, and comes again; so what is there of it can go, and must, or the next line would
 * become part of it. A last line that is whole but for its end gets that. Anything else was not written here: then the
 * path is likely a mistake, and nothing is touched.
 */
export async function repairLastLine(file: Deno.FsFile, path: string): Promise<number> {
  const { size } = await file.stat();
  const start = await startOfLastLine(file, size);
  if (start === size) return 0;
  const last = await read(file, start, Math.min(size - start, BEGINNING.length));
  const isOurs = last.every((byte, index) => byte === BEGINNING[index]);
  if (!isOurs && last[0] !== 0) {
    throw new SinkError("fatal", `Cannot append to ${path}: its last line has no end and is not an event`);
  }
  if (isOurs && isJson(await read(file, start, size - start))) {
    await file.write(Uint8Array.of(LINE_END));
    return 0;
  }
  await file.truncate(start);
  return size - start;
}

/** The offset after the last line end. */
async function startOfLastLine(file: Deno.FsFile, size: number): Promise<number> {
  for (let end = size; end > 0; end -= BLOCK_BYTES) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const at = (await read(file, start, end - start)).lastIndexOf(LINE_END);
    if (at >= 0) return start + at + 1;
  }
  return 0;
}

async function read(file: Deno.FsFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
    return true;
  } catch {
    return false;
  }
}
