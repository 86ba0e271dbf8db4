import { faketime } from "../support/faketime.ts";

/**
 * The wall clock of programs that have its environment: libfaketime reads at every look what it is set to. As on a
 * machine whose clock is set, steady time and timers go on meanwhile.
 */
export class WallClock {
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: string;

  private constructor(library: string, file: string) {
    this.#file = file;
    this.environment = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  static async make(file: string): Promise<WallClock> {
    const clock = new WallClock(await faketime(), file);
    await clock.set(0);
    return clock;
  }

  /** So many seconds before or after the machine's. */
  async set(offset: number): Promise<void> {
    const draft = `${this.#file}.draft`;
    await Deno.writeTextFile(draft, `${offset < 0 ? "" : "+"}${offset}\n`);
    await Deno.rename(draft, this.#file);
  }

  /** Removes what libfaketime leaves of a process that was killed. */
  async clearAfter(pid: number): Promise<void> {
    for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`]) {
      await Deno.remove(`/dev/shm/${name}`).catch(() => {}); // who ended by himself has left nothing
    }
  }
}
