import { dirname } from "node:path";
import type { Log } from "./observe/log.ts";
import { messageOf } from "./observe/message_of.ts";
import { type Clock, systemClock } from "./sink/clock.ts";

/** Milliseconds in which a file must not have changed to count as written. */
const SETTLING = 200;

/**
 * Tells when a file has another content than was last remembered. It watches the file's folder: editors put another
 * file in the place of the old one, and Kubernetes another folder behind a link.
 */
export class FileWatch implements Disposable {
  readonly #file: string;
  readonly #onChange: () => void;
  readonly #log: Log;
  readonly #clock: Clock;
  #known: string | undefined;
  /** The content that it had at the last look, if it was another one. */
  #seen: string | undefined;
  #watcher: Deno.FsWatcher | undefined;
  #cancelLook: (() => void) | undefined;

  /** Remembers the content as it is; watches once it is told to. */
  constructor(file: string, onChange: () => void, log: Log, clock: Clock = systemClock) {
    this.#file = file;
    this.#onChange = onChange;
    this.#log = log;
    this.#clock = clock;
    this.remember();
  }

  /** The content is known as it is now. */
  remember(): void {
    this.#known = this.#read();
  }

  /** Watches from now on, or no more. What has changed since it was remembered is told, too. */
  watch(yes: boolean): void {
    if (yes === (this.#watcher !== undefined)) return;
    if (!yes) return this[Symbol.dispose]();
    try {
      this.#watcher = Deno.watchFs(dirname(this.#file), { recursive: false });
    } catch (error) {
      this.#log.warn("Cannot watch the configuration: only SIGHUP reloads it", { error: messageOf(error) });
      return;
    }
    void this.#follow(this.#watcher);
    this.#lookSoon();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    for await (const _ of watcher) this.#lookSoon();
  }

  #lookSoon(): void {
    this.#cancelLook ??= this.#clock.after(SETTLING, () => {
      this.#cancelLook = undefined;
      this.#look();
    });
  }

  /** A file that is being replaced may be missing for a moment, one that is being written be half there. */
  #look(): void {
    const text = this.#read();
    const isSettled = text === this.#seen;
    this.#seen = text;
    if (text === undefined || text === this.#known) return;
    if (!isSettled) return this.#lookSoon();
    this.#known = text;
    this.#onChange();
  }

  #read(): string | undefined {
    try {
      return Deno.readTextFileSync(this.#file);
    } catch {
      return undefined;
    }
  }
}
