import { FileWatch } from "./file_watch.ts";
import { logOf } from "./observe/log.ts";

/** Tells when the configuration is to be read again: at SIGHUP, and, while that is wanted, when its file has changed. */
export class ReloadOccasions implements Disposable {
  readonly #watch: FileWatch;
  readonly #ask = () => {
    this.#isAsked = true;
    this.#wake();
  };
  #isAsked = false;
  #wake = () => {};

  /** To be made before the file is read, so that no change of it is missed. */
  constructor(file: string) {
    this.#watch = new FileWatch(file, this.#ask, logOf("reload"));
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", this.#ask);
  }

  /** Whether the file is watched. */
  watchFile(yes: boolean): void {
    this.#watch.watch(yes);
  }

  /** Gives each occasion until `signal` aborts; those that come while one is being served are one. */
  async *until(signal: AbortSignal): AsyncGenerator<void> {
    const wake = () => this.#wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        if (!this.#isAsked) await new Promise<void>((resolve) => this.#wake = resolve);
        if (!this.#isAsked || signal.aborted) continue;
        this.#isAsked = false;
        this.#watch.remember();
        yield;
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGHUP", this.#ask);
  }
}
