/** What a sink got of changes that are numbered from 1 on for each twin. */
export interface Account {
  /** Different changes. */
  readonly arrived: number;
  /** Changes that came again. */
  readonly repeats: number;
  /** Changes whose first arrival was after that of a later change of their twin. */
  readonly outOfOrder: number;
}

/** Keeps account of what arrives at a sink; its memory grows with the number of twins and with what is missing. */
export class OrderLedger {
  readonly #newest = new Map<string, number>();
  /** By twin: changes that a later one has overtaken, or that are lost. */
  readonly #missing = new Map<string, Set<number>>();
  #arrived = 0;
  #repeats = 0;
  #outOfOrder = 0;

  get account(): Account {
    return { arrived: this.#arrived, repeats: this.#repeats, outOfOrder: this.#outOfOrder };
  }

  /** @returns whether the change came for the first time */
  arrived(twin: string, number: number): boolean {
    const newest = this.#newest.get(twin) ?? 0;
    const missing = this.#missing.get(twin);
    if (number > newest) {
      if (number > newest + 1) this.#miss(twin, newest + 1, number - 1);
      this.#newest.set(twin, number);
    } else if (missing?.delete(number)) {
      this.#outOfOrder++;
    } else {
      this.#repeats++;
      return false;
    }
    this.#arrived++;
    return true;
  }

  /** How many changes have not come, of those up to each twin's last number. */
  lost(last: ReadonlyMap<string, number>): number {
    let lost = 0;
    for (const [twin, number] of last) {
      lost += Math.max(0, number - (this.#newest.get(twin) ?? 0)) + (this.#missing.get(twin)?.size ?? 0);
    }
    return lost;
  }

  #miss(twin: string, from: number, to: number): void {
    const missing = this.#missing.get(twin) ?? new Set();
    for (let number = from; number <= to; number++) missing.add(number);
    this.#missing.set(twin, missing);
  }
}
