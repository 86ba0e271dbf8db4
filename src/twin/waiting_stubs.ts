import { keyOf } from "./identity.ts";
import type { RowRun } from "./row_run.ts";

/** How many stubs wait at most, so that memory stays constant whatever a transaction's size. */
const MOST = 10_000;

/** New rows that say only who they are, oldest first. */
export class WaitingStubs {
  readonly #byRow = new Map<string, RowRun>();
  /** The row whose stub waits, by graph and partition key. A stub that does not know its key yet is not in it. */
  readonly #rowByKey = new Map<string, string>();

  get size(): number {
    return this.#byRow.size;
  }

  /** Returns the oldest if one too many waits now. No other stub of the same partition key may be waiting. */
  add(stub: RowRun): RowRun | undefined {
    const row = rowOf(stub);
    this.#byRow.set(row, stub);
    const key = partitionKeyOf(stub);
    if (key !== undefined) this.#rowByKey.set(key, row);
    if (this.#byRow.size <= MOST) return undefined;
    const [oldest] = this.#byRow.keys();
    return oldest === undefined ? undefined : this.#take(oldest);
  }

  /** The stub of the row that changes now; it waits no longer. */
  take(change: RowRun): RowRun | undefined {
    return this.#byRow.size === 0 ? undefined : this.#take(rowOf(change));
  }

  /** The stub of a partition key; it waits no longer. */
  takeByKey(graph: string, key: string): RowRun | undefined {
    const row = this.#rowByKey.get(`${graph}/${key}`);
    return row === undefined ? undefined : this.#take(row);
  }

  /** All, or all of a label; they wait no longer. */
  takeAll(label?: number): RowRun[] {
    const stubs = [...this.#byRow.values()].filter((stub) => label === undefined || stub.label.oid === label);
    for (const stub of stubs) this.#take(rowOf(stub));
    return stubs;
  }

  #take(row: string): RowRun | undefined {
    const stub = this.#byRow.get(row);
    if (!stub) return undefined;
    this.#byRow.delete(row);
    const key = partitionKeyOf(stub);
    if (key !== undefined) this.#rowByKey.delete(key);
    return stub;
  }
}

function rowOf({ label, rowId }: RowRun): string {
  return `${label.oid}/${rowId}`;
}

function partitionKeyOf({ label, after }: RowRun): string | undefined {
  const key = after?.identity && keyOf(after.identity);
  return key === undefined ? undefined : `${label.graph}/${key}`;
}
