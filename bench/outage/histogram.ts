/** Each bucket's limit is so much above the one before. */
const GROWTH = 1.02;
/** What is shorter counts as this long. */
const LEAST_MS = 0.1;

/** Durations of any number in little memory; a quantile is at most 2% above the exact one. */
export class Histogram {
  readonly #counts: number[] = [];
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** Exact; 0 with nothing recorded. */
  get max(): number {
    return this.#max;
  }

  record(ms: number): void {
    const bucket = ms <= LEAST_MS ? 0 : Math.ceil(Math.log(ms / LEAST_MS) / Math.log(GROWTH));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
    this.#max = Math.max(this.#max, ms);
  }

  /** The value that a share of all, from 0 to 1, does not exceed; NaN with nothing recorded. */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(this.#count * share));
    for (const [bucket, count = 0] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return Math.min(this.#max, LEAST_MS * GROWTH ** bucket);
    }
    return NaN;
  }
}
