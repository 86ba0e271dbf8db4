import type { Chunk, ChunkRange, SnapshotLabel } from "../postgres/snapshot/label_chunks.ts";
import { readAgtype } from "./agtype.ts";
import { identityOf, isWhole } from "./identity.ts";
import { type JsonText, JsonTextError } from "./json_text.ts";
import { MODEL_LABEL } from "./models.ts";
import type { ReceivedTransactions } from "./received_transactions.ts";
import type { Entity, Gap, SnapshotMark, SnapshotOrigin, TwinChange } from "./twin_change.ts";

/** Of more rows than this that change in between, each with its state, the chunk is rather read once more. */
const MOST_CHANGED = 4_096;

/**
 * One chunk of a snapshot on its way into the stream. Between its low and its high watermark the chunk is read, nobody knows
 * where; so the rows that the stream tells something of in between are dropped from the chunk, and their newest states
 * take their place. At the high watermark every row is then as it was there: nothing older than what was told before.
 */
export class SnapshotWindow {
  readonly id: string = crypto.randomUUID();
  /** What was read between the watermarks; to be set before the high one is written. */
  chunk: Chunk | undefined;
  /** The graphids of rows that are not told, because their properties are no agtype map or too large. */
  readonly unreadable: string[] = [];
  readonly #range: ChunkRange;
  readonly #kind: SnapshotLabel["kind"];
  readonly #after: bigint | undefined;
  readonly #upTo: bigint;
  readonly #received: ReceivedTransactions;
  /** How many transactions were received before the low watermark; undefined before it, and once too much has changed. */
  #receivedBefore: number | undefined;
  /** By graphid. */
  readonly #newest = new Map<string, TwinChange>();
  #isTruncated = false;

  constructor(range: ChunkRange, kind: SnapshotLabel["kind"], received: ReceivedTransactions) {
    this.#range = range;
    this.#kind = kind;
    this.#after = range.after === undefined ? undefined : BigInt(range.after);
    this.#upTo = BigInt(range.upTo);
    this.#received = received;
  }

  /** The stream has come to the low watermark. */
  open(): void {
    this.#receivedBefore = this.#received.count;
  }

  /** To be called with all that the stream gives until the window is closed. */
  follow(item: TwinChange | Gap): void {
    const { graph, label } = this.#range;
    if (this.#receivedBefore === undefined || item.graph !== graph || item.label !== label) return;
    if (item.kind === "gap") {
      this.#newest.clear();
      if (item.reason === "truncate") this.#isTruncated = true;
      else this.#receivedBefore = undefined; // of which row nothing was seen is not known
    } else if (item.rowId !== undefined && this.#holds(BigInt(item.rowId))) {
      this.#newest.set(item.rowId, item);
      if (this.#newest.size <= MOST_CHANGED) return;
      this.#receivedBefore = undefined;
      this.#newest.clear();
    }
  }

  /**
   * The stream has come to the high watermark: the chunk's rows as changes there; `undefined` if what was told before the
   * low watermark may be missing in the chunk, or too much was told since: it then has to be read once more.
   */
  close(
    { transaction, position }: SnapshotMark,
    snapshot: SnapshotOrigin,
  ): readonly TwinChange[] | undefined {
    const { rows, visibility } = this.chunk ?? NO_CHUNK;
    if (this.#receivedBefore === undefined) return undefined;
    if (visibility && this.#received.isSomeMissed(visibility, this.#receivedBefore)) return undefined;
    const changes: TwinChange[] = [];
    for (const { id: rowId, properties } of rows) {
      const now = this.#stateOf(rowId, properties);
      if (!now) continue;
      changes.push({
        kind: "change",
        ...now.entity,
        action: "create",
        after: now.body,
        transaction,
        // The mark is alone in its transaction.
        position: { commitLsn: position.commitLsn, ordinal: position.ordinal + 1 + changes.length },
        part: 0,
        graph: this.#range.graph,
        label: this.#range.label,
        rowId,
        snapshot,
      });
    }
    return changes;
  }

  #holds(id: bigint): boolean {
    return (this.#after === undefined || id > this.#after) && id <= this.#upTo;
  }

  /** Who a row of the chunk is and what it says now; undefined if it is gone, or nobody. */
  #stateOf(rowId: string, properties: string): { entity: Entity; body: JsonText } | undefined {
    const newest = this.#newest.get(rowId);
    if (newest) {
      return newest.action === "delete" ? undefined : { entity: entityOf(newest), body: newest.after };
    }
    if (this.#isTruncated) return undefined;
    const body = bodyIn(properties);
    if (!body) {
      this.unreadable.push(rowId);
      return undefined;
    }
    const entity = identityOf({ kind: this.#kind, holdsModels: this.#range.label === MODEL_LABEL }, body);
    return isWhole(entity) ? { entity, body } : undefined;
  }
}

const NO_CHUNK: Pick<Chunk, "rows" | "visibility"> = { rows: [], visibility: undefined };

function entityOf(change: TwinChange): Entity {
  const { entity, id } = change;
  return entity === "relationship" ? { entity, id, sourceId: change.sourceId } : { entity, id };
}

function bodyIn(properties: string): JsonText | undefined {
  try {
    const body = readAgtype(properties);
    return body.kind === "object" ? body : undefined;
  } catch (error) {
    if (error instanceof JsonTextError) return undefined;
    throw error;
  }
}
