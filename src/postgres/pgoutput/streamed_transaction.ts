import type { SkippedRow } from "./pgoutput_decoder.ts";
import { type Change, type CountedMessage, RelationCache } from "./relation_cache.ts";
import type { Relation } from "../row_change.ts";

/**
 * A transaction that the server streams while it is in progress, when streaming is asked for (protocol 2 and later).
 * Everything is held in memory until the transaction commits or aborts, so this is as large as the transaction.
 */
export class StreamedTransaction {
  readonly xid: number;
  /**
   * The tables as this transaction sees them, which nobody else does before it commits: pgoutput describes all that it
   * touches anew for it.
   */
  readonly relations: RelationCache;
  readonly #changes = new Map<number, HeldChange[]>();
  #received = 0;

  constructor(xid: number, interesting: (relation: Relation) => boolean) {
    this.xid = xid;
    this.relations = new RelationCache(interesting);
  }

  hold(message: CountedMessage | SkippedRow): void {
    const sequence = this.#received++;
    const change = message.kind === "skippedRow" ? undefined : this.relations.join(message, sequence);
    const xid = message.xid ?? this.xid;
    const changes = this.#changes.get(xid);
    if (changes) changes.push({ sequence, change });
    else this.#changes.set(xid, [{ sequence, change }]);
  }

  /** Forgets what a sub-transaction changed. Those inside of it are aborted by messages of their own. */
  abort(subXid: number): void {
    this.#changes.delete(subXid);
  }

  /**
   * What is left, in the order of receipt, numbered without what was aborted: a server that does not stream sends
   * the same transaction without it, and a change must have the same ordinal whichever way it comes.
   */
  *changes(): Generator<Change> {
    const held = [...this.#changes.values()].flat().sort((a, b) => a.sequence - b.sequence);
    for (const [ordinal, { change }] of held.entries()) {
      if (change) yield { ...change, ordinal };
    }
  }
}

/** A change that nobody wants is `undefined`, and still takes an ordinal. */
interface HeldChange {
  readonly sequence: number;
  readonly change: Change | undefined;
}
