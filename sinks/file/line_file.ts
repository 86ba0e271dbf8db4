import { dirname } from "node:path";
import { SinkError } from "../../src/sink/sink_error.ts";
import { repairLastLine } from "./repair_last_line.ts";

/** Opens files; a test gives one whose writes fail. */
export type OpenFile = (path: string, options: Deno.OpenOptions) => Promise<Deno.FsFile>;

/** A file of lines that is only appended to, by one process at a time. */
export class LineFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #identity: string;
  #size: number;

  private constructor(path: string, file: Deno.FsFile, info: Deno.FileInfo) {
    this.#path = path;
    this.#file = file;
    this.#identity = identityOf(info);
    this.#size = info.size;
  }

  /** Opens or makes the file and its folder, makes sure that nobody else writes to it, and repairs its last line. */
  static async open(path: string, open: OpenFile, warn: (message: string) => void): Promise<LineFile> {
    await Deno.mkdir(dirname(path), { recursive: true });
    const file = await open(path, { read: true, append: true, create: true });
    try {
      if (!await lock(file)) {
        throw new SinkError("retryable", `Cannot open ${path}: another sink or router writes to it`);
      }
      const removed = await repairLastLine(file, path);
      if (removed > 0) {
        warn(`Removed a torn line of ${removed} bytes from the end of ${path}: it was never settled`);
      }
      const info = await file.stat();
      if (info.size === 0) await syncFolderOf(path);
      return new LineFile(path, file, info);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size;
  }

  /** Whether the path still leads to this file; somebody may have moved or deleted it. Notes its size anew. */
  async isInPlace(): Promise<boolean> {
    try {
      const info = await Deno.stat(this.#path);
      this.#size = info.size;
      return identityOf(info) === this.#identity;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Resolves once the lines are on the disk. On an error what was written of them is taken back if that can be. */
  async append(lines: Uint8Array): Promise<void> {
    try {
      for (let rest = lines; rest.length > 0;) rest = rest.subarray(await this.#file.write(rest));
      await this.#file.syncData();
      this.#size += lines.length;
    } catch (error) {
      // Where that fails too, opening the file again repairs its last line.
      await this.#file.truncate(this.#size).catch(() => {});
      throw error;
    }
  }

  /** Gives the file another name; who opens the path next begins a new one. */
  async rename(to: string): Promise<void> {
    await Deno.rename(this.#path, to);
    await syncFolderOf(this.#path);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Whether the lock was to be had; where the file system has none, it is. */
async function lock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    return true;
  }
}

function identityOf({ dev, ino }: Deno.FileInfo): string {
  return `${dev}:${ino}`;
}

/** A new or changed name survives a crash only when its folder is on the disk too. */
async function syncFolderOf(path: string): Promise<void> {
  if (Deno.build.os === "windows") return; // Folders cannot be opened there.
  using folder = await Deno.open(dirname(path));
  await folder.sync();
}
