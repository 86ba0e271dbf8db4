/** Lets what changes how a stream is treated happen between two of its transactions, never within one. */
export class BetweenTransactions {
  /** No transaction is under way, and nobody has an event of one in hand. */
  #isNow = true;
  #waiting: (() => void)[] = [];

  /** Does the work now, or else as soon as the transaction under way is over; what waits is done in order. */
  do(work: () => void): void {
    if (this.#isNow) work();
    else this.#waiting.push(work);
  }

  /** Whether somebody waits for the end of the transaction. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** A transaction may be under way from now on. */
  left(): void {
    this.#isNow = false;
  }

  /** The transaction is over, and its events are where they belong. */
  reached(): void {
    this.#isNow = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }
}
