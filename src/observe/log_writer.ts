/** Where lines go: a file's `write`, which may take fewer bytes than it was given. */
export interface ByteWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Characters that wait, at most, when whoever reads the log does not keep up. */
const MOST_WAITING = 1 << 20;

/**
 * Writes text in order, without ever making its caller wait or fail: while the far end is slow, text waits in memory,
 * and beyond a bound new text is dropped and its loss told.
 */
export class LogWriter {
  readonly #target: ByteWriter;
  readonly #onDropped: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #waitingLength = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;

  /** @param onDropped the text that tells how many were dropped */
  constructor(target: ByteWriter, onDropped: (count: number) => string) {
    this.#target = target;
    this.#onDropped = onDropped;
  }

  /** Takes one record's text. */
  push(text: string): void {
    if (this.#waitingLength + text.length > MOST_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves once everything that was pushed before is written or lost; never rejects. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const text = this.#waiting.join("");
        this.#waiting = [];
        await this.#write(this.#encoder.encode(text));
        this.#waitingLength = this.#waiting.reduce((sum, { length }) => sum + length, 0);
        if (this.#dropped > 0) {
          this.#waiting.push(this.#onDropped(this.#dropped));
          this.#dropped = 0;
        }
      }
    } catch {
      // Nobody reads the log any more (a closed pipe): there is nowhere left to say so.
      this.#waiting = [];
      this.#waitingLength = 0;
    } finally {
      this.#writing = undefined;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      written += await this.#target.write(bytes.subarray(written));
    }
  }
}
