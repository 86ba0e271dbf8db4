import type { Lsn } from "../lsn.ts";

/**
 * Connections that were given up for silence, one after the other: as long as the confirmed position does not move, none
 * of them went well.
 */
export class Silences {
  #count = 0;
  /** What was confirmed at the last one. */
  #confirmed: Lsn = -1n;

  /** To be called for each of them, with what is confirmed then. */
  add(confirmed: Lsn): void {
    this.#count = this.inARow(confirmed) + 1;
    this.#confirmed = confirmed;
  }

  /** How many there were since the position last moved, which is `confirmed` now. */
  inARow(confirmed: Lsn): number {
    return confirmed > this.#confirmed ? 0 : this.#count;
  }
}
