import { dirname } from "node:path";
import { messageOf } from "../observe/message_of.ts";
import { structuredJson } from "../sink/encode.ts";
import type { DeadLetter, DeadLetterStore } from "./dead_letter.ts";

const NEWLINE = 0x0a;

/**
 * A file of dead letters, one JSON object a line: `sink`, `route`, `reason`, `kind`, `attempts`, `firstTime`,
 * `lastTime` (RFC 3339) and `event`, the whole event in CloudEvents JSON. It is opened for each write, so it may be
 * moved away at any time; its folder must exist. Several routers may share it.
 */
export class DeadLetterFile implements DeadLetterStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async write(letters: readonly DeadLetter[]): Promise<undefined> {
    try {
      const lines = new TextEncoder().encode(letters.map(line).join(""));
      using file = await Deno.open(this.#path, { read: true, write: true, create: true, mode: 0o600 });
      await lock(file);
      const size = (await file.stat()).size;
      try {
        await file.seek(size, Deno.SeekMode.Start);
        if (size > 0 && !(await endsLine(file, size))) await writeAll(file, Uint8Array.of(NEWLINE));
        await writeAll(file, lines);
        await file.sync();
      } catch (error) {
        await file.truncate(size).catch(() => {}); // what is half written would only be in the way
        throw error;
      }
      if (size === 0) await syncFolder(dirname(this.#path));
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  /** Throws what would keep letters from being written; leaves all as it is. */
  async probe(): Promise<void> {
    try {
      using _ = await Deno.open(this.#path, { read: true, write: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw this.#unwritable(error);
      await this.#probeFolder();
    }
  }

  /** Not by the file itself: a router may begin it at any moment, and it would then be deleted under its hands. */
  async #probeFolder(): Promise<void> {
    try {
      await Deno.remove(await Deno.makeTempFile({ dir: dirname(this.#path), prefix: ".twinrouter-" }));
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  #unwritable(error: unknown): Error {
    const state = messageOf(error);
    return new Error(`Cannot write dead letters to '${this.#path}': ${state}`, { cause: error });
  }
}

/** Until it is closed; where the file system has no locks, two writers at the same time may spoil a line. */
async function lock(file: Deno.FsFile): Promise<void> {
  try {
    await file.lock(true);
  } catch {
    // As said.
  }
}

function line(letter: DeadLetter): string {
  const { event, ...rest } = letter;
  const about = JSON.stringify({
    ...rest,
    firstTime: new Date(letter.firstTime).toISOString(),
    lastTime: new Date(letter.lastTime).toISOString(),
  });
  return `${about.slice(0, -1)},"event":${structuredJson(event)}}\n`;
}

/** False after a crash in the middle of a line; leaves the file at its end. */
async function endsLine(file: Deno.FsFile, size: number): Promise<boolean> {
  const last = new Uint8Array(1);
  await file.seek(size - 1, Deno.SeekMode.Start);
  await file.read(last);
  return last[0] === NEWLINE;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

/** A new file is durable only once its folder is. */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return; // keeps folders durable by itself, and cannot open them
  using folder = await Deno.open(path);
  await folder.sync();
}
