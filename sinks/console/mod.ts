import { setTimeout as delay } from "node:timers/promises";
import { abortable } from "../../src/sink/abortable.ts";
import { structuredJson } from "../../src/sink/encode.ts";
import type { Batch, CreateSink, FailedEvent, Sink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { ConsoleOptions } from "./config.ts";
import { prettyLine } from "./pretty_line.ts";
import type { LineStyle } from "./styled_text.ts";

export const createSink: CreateSink<ConsoleOptions> = (options) => new ConsoleSink(options, standardOutput);

/** Where lines go. */
export interface Output {
  /** Takes some of the bytes and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** How lines look on the terminal that shows them; undefined where none does. */
  terminal(): LineStyle | undefined;
}

/** Characters that are not control characters to JSON, and are to a terminal. */
const TERMINAL_CONTROLS = /[\u007f-\u009f]/g;
/** For lines for people that no terminal shows. */
const ELSEWHERE: LineStyle = { color: false, columns: 200 };
const LINE_END = 0x0a;
/** Of one write, which no abort can call back. */
const WRITE_BYTES = 65_536;
/** Before a full pipe is tried again: nothing tells when it has room. */
const FULL_PAUSE_MS = 5;

const encoder = new TextEncoder();

/** Writes events to standard output, one a line, as JSON or for people. */
export class ConsoleSink implements Sink {
  readonly #options: ConsoleOptions;
  readonly #output: Output;
  /** What was handed to the system last; an aborted `deliver` does not wait for it, the next one does. */
  #writing: Promise<unknown> = Promise.resolve();
  #midLine = false;

  constructor(options: ConsoleOptions, output: Output) {
    this.#options = options;
    this.#output = output;
  }

  async connect(): Promise<void> {}

  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    try {
      await abortable(this.#writing, signal);
      // Ends a line that an abort or an error has cut, so that it spoils no other.
      let bytes = encoder.encode((this.#midLine ? "\n" : "") + this.#lines(batch));
      while (bytes.length > 0) {
        const writing = this.#write(bytes.subarray(0, WRITE_BYTES));
        this.#writing = writing.catch(() => {});
        const count = await abortable(writing, signal);
        if (count === 0) await delay(FULL_PAUSE_MS, undefined, { signal });
        bytes = bytes.subarray(count);
      }
    } catch (error) {
      throw signal.aborted
        ? new SinkError("retryable", "Cannot write to standard output: stopped", { cause: error })
        : writeError(error);
    }
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #lines(batch: Batch): string {
    if (!this.#options.pretty) {
      return batch.map((event) => `${terminalSafe(structuredJson(event))}\n`).join("");
    }
    const style = this.#output.terminal() ?? ELSEWHERE;
    return batch.map((event) => `${prettyLine(event, style)}\n`).join("");
  }

  /** Gives 0 when a pipe that another program has made non-blocking is full. */
  async #write(bytes: Uint8Array): Promise<number> {
    try {
      const count = await this.#output.write(bytes);
      if (count > 0) this.#midLine = bytes[count - 1] !== LINE_END;
      return count;
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) return 0;
      throw error;
    }
  }
}

/** JSON escapes U+0000 to U+001F by itself, and only strings can hold the others. */
function terminalSafe(json: string): string {
  return json.replace(TERMINAL_CONTROLS, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}

function writeError(error: unknown): SinkError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (
    error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource || code === "EBADF" ||
    code === "EIO"
  ) {
    return new SinkError("fatal", "Cannot write to standard output: nobody reads it any more", {
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new SinkError("retryable", `Cannot write to standard output: ${reason}`, { cause: error });
}

const standardOutput: Output = {
  write: (bytes) => Deno.stdout.write(bytes),
  terminal: () => {
    if (!Deno.stdout.isTerminal()) return undefined;
    return { color: !Deno.noColor, columns: Deno.consoleSize().columns };
  },
};
