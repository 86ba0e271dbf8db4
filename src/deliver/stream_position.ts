import type { CloudEvent } from "../event/cloud_event.ts";
import type { Connected } from "../postgres/replication/stream_chunk.ts";
import type { SinkCheckpoint } from "./store/checkpoints.ts";

/** Digits of a sequence that are its transaction's. */
const LSN_DIGITS = 16;

/** Of a transaction, everything up to an event in the order of the stream; and all transactions before. */
export interface StreamPosition {
  /** The greatest of those events. */
  readonly sequence: string;
  /** Undefined where no event of that transaction is meant. */
  readonly last: CloudEvent["id"] | undefined;
}

/** The position after another event of the stream; an event without a sequence moves nothing. */
export function positionAfter(
  position: StreamPosition | undefined,
  { id, sequence }: CloudEvent,
): StreamPosition | undefined {
  if (sequence === undefined) return position;
  const isSame = position !== undefined && lsnOf(position.sequence) === lsnOf(sequence);
  return { sequence: isSame && position.sequence > sequence ? position.sequence : sequence, last: id };
}

/**
 * What a checkpoint means for the stream of this connection. Of a timeline that ended, what lies beyond its end has not
 * happened; undefined if it is not of the history of this one, so that it means nothing.
 */
export function positionOn(
  { systemIdentifier, timeline, ancestors, walEnd }: Pick<
    Connected,
    "systemIdentifier" | "timeline" | "ancestors" | "walEnd"
  >,
  checkpoint: SinkCheckpoint,
): StreamPosition | undefined {
  if (checkpoint.systemIdentifier !== systemIdentifier) return undefined;
  const isOwn = checkpoint.timeline === timeline;
  const end = isOwn ? walEnd : ancestors.find((ancestor) => ancestor.timeline === checkpoint.timeline)?.end;
  if (end === undefined) return undefined;
  const { sequence, last } = checkpoint;
  if (BigInt(`0x${lsnOf(sequence)}`) < end) return { sequence, last: last || undefined };
  // The server was brought back to before this with its timeline kept: nobody knows what has happened to it since.
  return isOwn ? undefined : { sequence: end.toString(16).padStart(LSN_DIGITS, "0"), last: undefined };
}

/** Tells which events of a stream that comes again lie before a position. */
export class SettledBefore {
  readonly #position: StreamPosition;
  readonly #lsn: string;
  #isPassed = false;

  constructor(position: StreamPosition) {
    this.#position = position;
    this.#lsn = lsnOf(position.sequence);
  }

  /** Whether none of those that are still to come does. */
  get isOver(): boolean {
    return this.#isPassed;
  }

  /** To be asked of every event, in order. */
  has({ id, sequence }: CloudEvent): boolean {
    if (this.#isPassed || sequence === undefined) return false;
    const lsn = lsnOf(sequence);
    if (lsn < this.#lsn) return true;
    const { last, sequence: greatest } = this.#position;
    // One beyond all that were settled is new, even where the last of those does not come any more.
    const isBefore = last !== undefined && lsn === this.#lsn && sequence <= greatest;
    this.#isPassed = !isBefore || id === last;
    return isBefore;
  }
}

function lsnOf(sequence: string): string {
  return sequence.slice(0, LSN_DIGITS);
}
