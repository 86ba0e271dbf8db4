import assert from "node:assert/strict";
import { join } from "node:path";
import { options } from "../../sinks/file/config.ts";
import type { OpenFile } from "../../sinks/file/line_file.ts";
import { FileSink } from "../../sinks/file/mod.ts";
import type { Sink } from "../../src/sink/sink.ts";
import { readStructuredEvent, type ReceivedEvent } from "./received_event.ts";
import type { FarEnd } from "./sink_conformance.ts";
import { TemporaryFolder } from "./temporary_folder.ts";

/** A folder in which a sink writes `events.ndjson`. */
export class FileFarEnd implements FarEnd {
  readonly folder: TemporaryFolder;
  readonly warnings: string[] = [];

  constructor(folder: TemporaryFolder) {
    this.folder = folder;
  }

  static async start(): Promise<FileFarEnd> {
    return new FileFarEnd(await TemporaryFolder.make());
  }

  get path(): string {
    return join(this.folder.path, "events.ndjson");
  }

  sink(other: Record<string, unknown> = {}, open?: OpenFile): Sink {
    const context = {
      name: "Archive",
      baseDirectory: this.folder.path,
      log: { info() {}, warn: (message: string) => this.warnings.push(message) },
    };
    return new FileSink(options.parse({ path: "events.ndjson", ...other }), context, open);
  }

  /** Full files, oldest first, and the current one. */
  async files(): Promise<string[]> {
    const names = [];
    for await (const { name } of Deno.readDir(this.folder.path)) names.push(name);
    return names.sort((a, b) =>
      Number(a === "events.ndjson") - Number(b === "events.ndjson") || (a < b ? -1 : 1)
    );
  }

  async received(): Promise<readonly ReceivedEvent[]> {
    const events = [];
    for (const name of await this.files()) {
      const lines = (await Deno.readTextFile(join(this.folder.path, name))).split("\n");
      assert.equal(lines.pop(), "", `${name} ends within a line`);
      events.push(...lines.map(readStructuredEvent));
    }
    return events;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.folder[Symbol.asyncDispose]();
  }
}
