import type { Log } from "../../observe/log.ts";
import { reconnectDelay } from "./reconnect_delay.ts";
import { messageOf } from "../../observe/message_of.ts";

/** Says once that something is down, and once that it is up again, however often it has been tried in between. */
export class Outage {
  readonly #what: string;
  readonly #log: Log;
  #since: number | undefined;
  #failures = 0;

  /** `what` begins both messages: `Replication`. */
  constructor(what: string, log: Log) {
    this.#what = what;
    this.#log = log;
  }

  get isUnderWay(): boolean {
    return this.#since !== undefined;
  }

  /** To be called at each failure; returns the milliseconds to wait before the next attempt. */
  failed(error: unknown): number {
    this.#failures++;
    const reason = messageOf(error);
    if (this.#since === undefined) {
      this.#since = performance.now();
      this.#log.warn(`${this.#what} is down, and tried again until it is up: ${reason}`);
    } else {
      this.#log.debug(`${this.#what} is still down: ${reason}`, { failures: this.#failures });
    }
    return reconnectDelay(this.#failures);
  }

  /** To be called when all is well, however often. */
  isOver(): void {
    if (this.#since === undefined) return;
    const seconds = ((performance.now() - this.#since) / 1_000).toFixed(1);
    this.#log.info(`${this.#what} is up again after ${seconds} s`, { failures: this.#failures });
    this.#since = undefined;
    this.#failures = 0;
  }
}
