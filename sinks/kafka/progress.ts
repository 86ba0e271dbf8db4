import type { CloudEvent, Resumption } from "../../src/sink/sink.ts";

/**
 * How far a sink has come in its stream: transactions that were committed before `lsn` are delivered, and of the one at
 * `lsn` everything up to the event `last` in the order of the stream. That order is not the one of `sequence` inside a
 * transaction: a row that was only made may be told at its end.
 */
export interface Position {
  readonly lsn: bigint;
  /** As `identityOf` names it; absent where nothing of that transaction is delivered. */
  readonly last?: string;
  /** The greatest of those delivered of that transaction. */
  readonly sequence: string;
}

/** The LSN of an event's transaction, which its `sequence` begins with; undefined for what has no position. */
function lsnOf({ sequence }: CloudEvent): bigint | undefined {
  const [lsn] = sequence?.split("-") ?? [];
  return lsn !== undefined && /^[0-9a-f]{16}$/.test(lsn) ? BigInt(`0x${lsn}`) : undefined;
}

/** What tells an event from all others: an `id` alone is its source's, and telemetry's is whoever sent it's. */
export function identityOf({ id, source, sequence = "" }: CloudEvent): string {
  return `${sequence} ${id} ${source}`;
}

/** The position after these events, which follow it. What comes again from before it moves nothing. */
export function positionAfter(
  position: Position | undefined,
  events: readonly CloudEvent[],
): Position | undefined {
  let at = position;
  for (const event of events) {
    const lsn = lsnOf(event);
    if (lsn === undefined || (at && lsn < at.lsn)) continue;
    const { sequence = "" } = event;
    at = {
      lsn,
      last: identityOf(event),
      sequence: at?.lsn === lsn && at.sequence > sequence ? at.sequence : sequence,
    };
  }
  return at;
}

/** Events, by `identityOf`, that go together. */
export interface Written {
  readonly events: ReadonlySet<string>;
  /** They came apart from the stream. */
  readonly isApart: boolean;
}

/** Tells, of a stream's events in their order, which are delivered. */
export class Progress {
  #position: Position | undefined;
  /** The stream has passed the position's event: what comes now of its transaction is new. */
  #isPassed: boolean;
  /** Events, by `identityOf`, that were found to be delivered though nobody knew. */
  readonly #found: ReadonlySet<string>;

  constructor(position?: Position, isPassed = false, found: ReadonlySet<string> = new Set()) {
    this.#position = position;
    this.#isPassed = isPassed;
    this.#found = found;
  }

  /**
   * As a sink goes on that has read this position.
   * @param found what it had written without knowing whether it was committed, and was
   */
  static resumed(
    position: Position | undefined,
    { after, takenOverAt }: Resumption,
    found?: Written,
  ): Progress {
    const isPassed = (after !== undefined && position?.last === identityOf(after)) ||
      (position !== undefined && takenOverAt !== undefined && position.lsn <= takenOverAt) ||
      found?.isApart === false;
    return new Progress(position, isPassed, found?.events);
  }

  get position(): Position | undefined {
    return this.#position;
  }

  /** @param isApart whether it comes apart from the stream, so that the position says nothing of it */
  has(event: CloudEvent, isApart = false): boolean {
    if (this.#found.size > 0 && this.#found.has(identityOf(event))) return true;
    if (isApart) return false;
    const lsn = lsnOf(event);
    if (lsn === undefined || this.#position === undefined) return false;
    if (lsn !== this.#position.lsn) return lsn < this.#position.lsn;
    const { last, sequence } = this.#position;
    if (this.#isPassed || last === undefined) return false;
    this.#isPassed = identityOf(event) === last;
    // One beyond all that were delivered is new, even where the last of those does not come any more.
    return this.#isPassed || (event.sequence ?? "") <= sequence;
  }

  /** The events up to this position were delivered just now. */
  advance(position: Position | undefined): void {
    this.#position = position;
    this.#isPassed = true;
  }
}
