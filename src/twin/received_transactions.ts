/** How many are remembered. */
const MOST = 1 << 16;

/**
 * The newest transactions that the stream has given. PostgreSQL writes a commit into the WAL before it lets others see it,
 * so that for a moment, or for as long as a synchronous standby is waited for, a change may be told already and not be
 * found by a query yet.
 */
export class ReceivedTransactions {
  /** By turns: the low 32 bits of xids, as the stream gives them. */
  readonly #xids = new Uint32Array(MOST);
  #count = 0;

  /** To be called for each change of a transaction, or once. */
  add(xid: number): void {
    if (this.#count > 0 && this.#xids[(this.#count - 1) % MOST] === xid) return;
    this.#xids[this.#count++ % MOST] = xid;
  }

  /** How many there have been. */
  get count(): number {
    return this.#count;
  }

  /**
   * Whether a query may have missed some of the first `count`.
   * @param visibility what the query could see, as `pg_current_snapshot()` writes it: `xmin:xmax:xip,xip…`
   */
  isSomeMissed(visibility: string, count: number): boolean {
    const [, xmax = "", running = ""] = visibility.split(":");
    const next = BigInt(xmax);
    const isRunning = new Set(running === "" ? [] : running.split(",").map((xid) => low32(BigInt(xid))));
    for (let at = Math.max(0, this.#count - MOST); at < count; at++) {
      const xid = this.#xids[at % MOST] ?? 0;
      // xids are 32 bits of a larger number, and compare as their distance says.
      if (isRunning.has(xid) || ((xid - low32(next)) | 0) >= 0) return true;
    }
    return false;
  }
}

function low32(xid: bigint): number {
  return Number(BigInt.asUintN(32, xid));
}
