import type { Log } from "../../observe/log.ts";
import type { Finding } from "./finding.ts";

/** Warns of each finding once, however often it is made. */
export class FindingLog {
  readonly #log: Log;
  /** Problems that have been logged. */
  readonly #told = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  tell({ problem, remedy }: Finding): void {
    if (this.#told.has(problem)) return;
    this.#told.add(problem);
    this.#log.warn(`${problem}. ${remedy}`);
  }
}
