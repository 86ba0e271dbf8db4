import type { Lsn } from "../postgres/lsn.ts";
import type { UnsettledEvent } from "./checkpoint.ts";

/** A batch, or several, and where the WAL has the newest. */
interface Hold {
  lsn: Lsn;
  /** As long as it is not settled, no position behind it is confirmed. */
  readonly first: UnsettledEvent;
}

/**
 * Settles events that are parked in the source's own database, not before the stream has come past their rows. What the
 * slot's standbys do not have is not sent, so no failover can keep the slot's position and lose the rows.
 *
 * Of each batch only the first event stays unsettled, which holds up the positions of all; of batches that follow a
 * second one, not even that. So nothing grows, however long the stream is in the midst of one transaction.
 */
export class WalGate {
  readonly #settle: (event: UnsettledEvent) => void;
  readonly #holds: Hold[] = [];
  #passed: Lsn = -1n;

  constructor(settle: (event: UnsettledEvent) => void) {
    this.#settle = settle;
  }

  /** @param batch in commit order, after all that came before; `lsn` is undefined where no WAL has them */
  add(batch: readonly UnsettledEvent[], lsn: Lsn | undefined): void {
    const [first, ...rest] = batch;
    if (first === undefined) return;
    for (const event of rest) this.#settle(event);
    const newest = this.#holds[1];
    if (lsn === undefined || lsn <= this.#passed) this.#settle(first);
    else if (newest === undefined) this.#holds.push({ lsn, first });
    else {
      newest.lsn = lsn;
      this.#settle(first);
    }
  }

  /** The stream has come past everything before this. */
  passed(lsn: Lsn): void {
    if (lsn > this.#passed) this.#passed = lsn;
    for (let hold = this.#holds[0]; hold && hold.lsn <= this.#passed; hold = this.#holds[0]) {
      this.#holds.shift();
      this.#settle(hold.first);
    }
  }

  /** LSNs mean other WAL from now on, and nothing that was added may be confirmed by them. */
  reset(): void {
    this.#passed = -1n;
    for (const { first } of this.#holds.splice(0)) this.#settle(first);
  }
}
