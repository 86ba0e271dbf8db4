import type { Lsn } from "../lsn.ts";

/** How far a stream has come, in LSNs of one timeline. */
export class ReplicationProgress {
  #received: Lsn = 0n;
  #confirmed: Lsn = 0n;
  #serverEnd: Lsn = 0n;

  /** The furthest position that has been received. */
  get received(): Lsn {
    return this.#received;
  }

  /** The furthest position before which everything is settled; 0 while nothing is known. */
  get confirmed(): Lsn {
    return this.#confirmed;
  }

  /** WAL that the server has written and that is not confirmed; 0 while it is not known. */
  get lagBytes(): number {
    if (this.#confirmed === 0n) return 0;
    const end = this.#serverEnd > this.#received ? this.#serverEnd : this.#received;
    return end > this.#confirmed ? Number(end - this.#confirmed) : 0;
  }

  /** The server has written its WAL up to here. */
  written(lsn: Lsn): void {
    this.#serverEnd = lsn;
  }

  receive(lsn: Lsn): void {
    if (lsn > this.#received) this.#received = lsn;
  }

  /** What the slot itself has confirmed, which may be further if somebody else has used it. */
  resumeAt(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.receive(this.#confirmed);
  }

  /**
   * Everything before `lsn` is settled. A position further than what was received is refused: it comes from an earlier
   * timeline, and would have the server leave out what nobody has seen.
   */
  confirm(lsn: Lsn): "moved" | "unmoved" | "refused" {
    if (lsn > this.#received) return "refused";
    if (lsn <= this.#confirmed) return "unmoved";
    this.#confirmed = lsn;
    return "moved";
  }
}
