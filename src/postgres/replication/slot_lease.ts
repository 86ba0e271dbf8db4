/** A moment by both clocks: one that may be set, and one that stands still while the machine sleeps. */
export interface Moment {
  readonly wall: number;
  readonly steady: number;
}

export function thisMoment(): Moment {
  return { wall: Date.now(), steady: performance.now() };
}

/** Of `wal_sender_timeout`; the server was told something in the last third before it was asked. */
const SHARE = 0.6;

/**
 * For how long a router may take its slot for its own without asking. PostgreSQL gives a slot to nobody else before it
 * has heard nothing of its user for `wal_sender_timeout`; so who was seen to have it may go by that for a while, and must
 * then ask again. A process that was stopped, or whose machine slept, thus knows at once that it does not know.
 */
export class SlotLease {
  readonly #duration: number;
  #askedAt: Moment;

  /** @param walSenderTimeout in milliseconds; 0: the server waits for ever */
  constructor(walSenderTimeout: number, askedAt: Moment = thisMoment()) {
    this.#duration = walSenderTimeout > 0 ? walSenderTimeout * SHARE : Infinity;
    this.#askedAt = askedAt;
  }

  /** The answer was that the slot is in this router's use. @param askedAt when the question was sent */
  renew(askedAt: Moment): void {
    this.#askedAt = askedAt;
  }

  get isHeld(): boolean {
    const { wall, steady } = thisMoment();
    return Math.max(wall - this.#askedAt.wall, steady - this.#askedAt.steady) < this.#duration;
  }
}
