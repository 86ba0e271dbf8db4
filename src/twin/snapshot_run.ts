import type { Lsn } from "../postgres/lsn.ts";
import type { SnapshotLabel } from "../postgres/snapshot/label_chunks.ts";
import type { Snapshot, SnapshotCursor } from "../postgres/snapshot/snapshot_store.ts";
import type { SnapshotOrigin } from "./twin_change.ts";

/** How far a snapshot has come, to be kept. */
export interface RunState {
  readonly cursor: SnapshotCursor | undefined;
  readonly rows: number;
  /** Nothing comes after it. */
  readonly isLast: boolean;
}

/** What was told, and may be kept once `lsn` is confirmed; undefined while its transaction is not over. */
interface Told {
  lsn: Lsn | undefined;
  state: RunState;
}

/** One snapshot that is under way, or waits for its turn: what is told, what of it is confirmed, and what of that kept. */
export class SnapshotRun {
  readonly snapshot: SnapshotOrigin;
  /** Those that still have rows, in order; undefined while that has not been looked up. */
  labels: SnapshotLabel[] | undefined;
  /** The last row of the first label as it was when that was begun; undefined while that has not been looked up. */
  lastRow: { readonly id: string | undefined } | undefined;
  /** Up to where it is told at the next high watermark. */
  next: SnapshotCursor | undefined;
  #cursor: SnapshotCursor | undefined;
  #rows: number;
  #isAllTold = false;
  readonly #told: Told[] = [];
  #unsaved: RunState | undefined;
  #hasBegun = false;

  constructor({ id, sink, filter, cursor, rows }: Snapshot) {
    this.snapshot = { id, ...(sink !== undefined && { sink }), ...(filter !== undefined && { filter }) };
    this.#cursor = cursor;
    this.#rows = rows;
  }

  get id(): string {
    return this.snapshot.id;
  }

  /** True once, the first time that it is asked. */
  get isNew(): boolean {
    const isNew = !this.#hasBegun;
    this.#hasBegun = true;
    return isNew;
  }

  /** Up to where it is told. */
  get cursor(): SnapshotCursor | undefined {
    return this.#cursor;
  }

  /** The last row of a label that is told. */
  lastIdIn({ graph, label }: SnapshotLabel): string | undefined {
    return this.#cursor?.graph === graph && this.#cursor.label === label ? this.#cursor.lastId : undefined;
  }

  /** The first label has no more rows, or none that can be read. */
  leaveLabel(): void {
    this.labels?.shift();
    this.lastRow = undefined;
  }

  /** Labels are to be looked up anew. */
  forgetLabels(): void {
    this.labels = undefined;
    this.lastRow = undefined;
  }

  get progress(): Readonly<Record<string, string | number>> {
    const { graph, label } = this.labels?.[0] ?? this.#cursor ?? {};
    const left = this.labels?.reduce((sum, { estimatedRows = 0 }) => sum + estimatedRows, 0) ?? 0;
    return {
      ...(graph !== undefined && label !== undefined && { label: `${graph}.${label}` }),
      rows: this.#rows,
      // As PostgreSQL has counted last.
      ...(left > 0 && { estimatedRowsOfLabelsLeft: Math.round(left) }),
    };
  }

  /** What was next is told, so many rows of it; its transaction is still to end. */
  tell(rows: number): void {
    if (!this.next) return;
    this.#cursor = this.next;
    this.#rows += rows;
    this.#told.push({
      lsn: undefined,
      state: { cursor: this.#cursor, rows: this.#rows, isLast: false },
    });
  }

  /** The transaction of what was told last has ended. */
  toldUpTo(lsn: Lsn): void {
    const last = this.#told.at(-1);
    if (last) last.lsn ??= lsn;
  }

  get isAllTold(): boolean {
    return this.#isAllTold;
  }

  /** There are no more rows. */
  end(): void {
    this.#isAllTold = true;
    const last = this.#told.at(-1);
    if (last) last.state = { ...last.state, isLast: true };
    else this.#unsaved = { cursor: this.#cursor, rows: this.#rows, isLast: true };
  }

  confirmed(lsn: Lsn): void {
    for (let [told] = this.#told; told?.lsn !== undefined && told.lsn <= lsn; [told] = this.#told) {
      this.#unsaved = told.state;
      this.#told.shift();
    }
  }

  get isUnsaved(): boolean {
    return this.#unsaved !== undefined;
  }

  takeUnsaved(): RunState {
    const state = this.#unsaved ?? { cursor: this.#cursor, rows: this.#rows, isLast: false };
    this.#unsaved = undefined;
    return state;
  }

  /** It could not be kept. */
  giveBack(state: RunState): void {
    this.#unsaved ??= state;
  }
}
