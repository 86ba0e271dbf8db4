import type { Lsn } from "../postgres/lsn.ts";
import type { Transaction } from "../postgres/row_change.ts";

/**
 * After a reconnect the server sends again whatever was not confirmed, from the beginning of a transaction. The guard
 * lets each change through once for the life of the process: the same WAL gives the same changes in the same order, so
 * that (commit LSN, how many of its changes have passed) says what is already queued.
 */
export class ReplayGuard {
  /** The newest transaction that has passed, in whole or in part, and how many of its changes. */
  #newest: Lsn = -1n;
  #passed = 0;
  #current: Transaction | undefined;
  /** Changes of the current transaction that are still to be dropped; Infinity for one that passed whole. */
  #toDrop = 0;

  /** The stream begins anew. On another timeline LSNs mean other WAL, so nothing of it has passed. */
  restart(sameTimeline: boolean): void {
    this.#current = undefined;
    if (!sameTimeline) {
      this.#newest = -1n;
      this.#passed = 0;
    }
  }

  /** True the first time for each change; to be asked for every change, in order. */
  admits(transaction: Transaction): boolean {
    if (transaction !== this.#current) this.#begin(transaction);
    if (this.#toDrop > 0) {
      this.#toDrop--;
      return false;
    }
    this.#passed++;
    return true;
  }

  #begin(transaction: Transaction): void {
    this.#current = transaction;
    if (transaction.commitLsn > this.#newest) {
      this.#newest = transaction.commitLsn;
      this.#passed = 0;
      this.#toDrop = 0;
    } else if (transaction.commitLsn === this.#newest) {
      this.#toDrop = this.#passed;
    } else {
      this.#toDrop = Infinity;
    }
  }
}
