import { resolve } from "node:path";
import { structuredJson } from "../../src/sink/encode.ts";
import type { Batch, CreateSink, FailedEvent, Sink, SinkContext } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { FileOptions } from "./config.ts";
import { fileError } from "./file_error.ts";
import { fullFiles, nextFullFile } from "./full_files.ts";
import { LineFile, type OpenFile } from "./line_file.ts";

export const createSink: CreateSink<FileOptions> = (options, context) => new FileSink(options, context);

const LINE_END = 0x0a;

/** Appends events to a file, one JSON event a line, each batch written and synced as one. */
export class FileSink implements Sink {
  /** Syncing costs the same for one event and for a thousand. */
  readonly batch = { maxEvents: 1000, maxBytes: 4 * 1024 * 1024 };

  readonly #path: string;
  readonly #maxBytes: number;
  readonly #maxFiles: number;
  readonly #log: SinkContext["log"];
  readonly #open: OpenFile;
  #file: LineFile | undefined;

  constructor(options: FileOptions, context: SinkContext, open: OpenFile = Deno.open) {
    this.#path = resolve(context.baseDirectory, options.path);
    this.#maxBytes = options.maxBytes ?? Infinity;
    this.#maxFiles = options.maxFiles ?? Infinity;
    this.#log = context.log;
    this.#open = open;
  }

  async connect(): Promise<void> {
    try {
      await this.#current();
    } catch (error) {
      throw fileError("open", this.#path, error);
    }
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    let rest: Uint8Array = new TextEncoder().encode(
      batch.map((event) => `${structuredJson(event)}\n`).join(""),
    );
    let settled = 0;
    try {
      while (rest.length > 0) {
        if (signal.aborted) throw new SinkError("retryable", `Cannot write to ${this.#path}: stopped`);
        const file = await this.#current();
        const lines = this.#fitting(rest, file.size);
        if (lines.length === 0) {
          await this.#rotate(file);
          continue;
        }
        await file.append(lines);
        rest = rest.subarray(lines.length);
        settled += count(lines, LINE_END);
      }
      return [];
    } catch (error) {
      // Whatever state the file is in, opening it again mends it.
      this.#close();
      const reason = fileError("write to", this.#path, error);
      return batch.slice(settled).map((_, offset) => ({ index: settled + offset, error: reason }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  /** The file at the path; opened again when somebody has moved it away, lest events go to a file without a name. */
  async #current(): Promise<LineFile> {
    if (this.#file && await this.#file.isInPlace()) return this.#file;
    this.#close();
    this.#file = await LineFile.open(this.#path, this.#open, (message) => this.#log.warn(message));
    return this.#file;
  }

  /** The lines for which there is room; none when the file is full. A line longer than a file gets one for itself. */
  #fitting(lines: Uint8Array, size: number): Uint8Array {
    const room = this.#maxBytes - size;
    if (lines.length <= room) return lines;
    const end = room > 0 ? lines.lastIndexOf(LINE_END, room - 1) : -1;
    if (end < 0 && size === 0) return lines.subarray(0, lines.indexOf(LINE_END) + 1);
    return lines.subarray(0, end + 1);
  }

  async #rotate(file: LineFile): Promise<void> {
    await file.rename(await nextFullFile(this.#path));
    this.#close();
    try {
      const full = await fullFiles(this.#path);
      for (const old of full.slice(0, Math.max(0, full.length - this.#maxFiles))) await Deno.remove(old.path);
    } catch (error) {
      this.#log.warn(
        `Cannot delete old files of ${this.#path}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #close(): void {
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }
}

function count(bytes: Uint8Array, value: number): number {
  let found = 0;
  for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + 1)) found++;
  return found;
}
