import type { Lsn } from "../postgres/lsn.ts";

/** A position that is settled, and up to where the WAL has to be safe for it to be confirmed. */
interface Hold {
  position: Lsn;
  needs: Lsn;
}

/**
 * Lets positions be confirmed that rely on what is stored in the source's own database (parked events, dead letters),
 * not before that is safe: every standby has it, as the server says, or the stream has come past it, since what the slot's
 * standbys do not have is not sent. So no failover can keep the slot's position and lose the rows; and a stream that is
 * far behind confirms as it goes.
 *
 * Two positions wait at most: those that are settled while the first waits make way for the newest, which needs what is
 * stored by then. So nothing grows, however long that takes, and nothing starves.
 */
export class WalGate {
  readonly #holds: Hold[] = [];
  #stored: Lsn = -1n;
  #passed: Lsn = -1n;
  #settled: Lsn | undefined;
  #confirmable: Lsn | undefined;

  /** The newest position that may be confirmed. */
  get confirmable(): Lsn | undefined {
    return this.#confirmable;
  }

  /** Positions that are settled from now on rely on what the WAL has before this; on nothing where it is undefined. */
  stored(lsn: Lsn | undefined): void {
    if (lsn !== undefined && lsn > this.#stored) this.#stored = lsn;
  }

  /** Everything before this position is settled. To be called often: only what is new counts. */
  settled(position: Lsn | undefined): void {
    if (position === undefined || position === this.#settled) return;
    this.#settled = position;
    const newest = this.#holds.at(-1);
    if (this.#stored <= this.#passed) this.#confirmable = position;
    else if (newest === undefined || (this.#holds.length < 2 && newest.needs < this.#stored)) {
      this.#holds.push({ position, needs: this.#stored });
    } else Object.assign(newest, { position, needs: this.#stored });
  }

  /** Everything before this is safe. */
  passed(lsn: Lsn): void {
    if (lsn > this.#passed) this.#passed = lsn;
    for (let hold = this.#holds[0]; hold && hold.needs <= this.#passed; hold = this.#holds[0]) {
      this.#holds.shift();
      this.#confirmable = hold.position;
    }
  }

  /** LSNs mean other WAL from now on: nothing that was settled may be confirmed by them. */
  reset(): void {
    this.#holds.length = 0;
    this.#stored = this.#passed = -1n;
    this.#settled = this.#confirmable = undefined;
  }
}
