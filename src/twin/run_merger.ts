import { type Identity, keyOf } from "./identity.ts";
import { isNobody, isSameRow, isStub, join, type RowRun } from "./row_run.ts";
import { WaitingStubs } from "./waiting_stubs.ts";

/**
 * Makes runs of a transaction's changes: adjacent changes of one row are joined, and a stub waits for its row's next
 * change. `onDone` is called with each run that nothing can join any more, in the order of their ordinals for those of
 * one partition key.
 */
export class RunMerger {
  /** The newest run, which the next change may join. */
  #newest: RowRun | undefined;
  readonly #stubs = new WaitingStubs();
  readonly #onDone: (run: RowRun) => void;

  constructor(onDone: (run: RowRun) => void) {
    this.#onDone = onDone;
  }

  /** Takes the next change. What is nobody's is done at once, and parts no run. */
  add(change: RowRun): void {
    if (this.#newest && isSameRow(this.#newest, change)) {
      this.#follow(this.#newest, change);
    } else {
      const stub = this.#stubs.take(change);
      if (!stub && isNobody(change)) {
        this.#onDone(change);
        return;
      }
      this.#finishNewest();
      if (stub) this.#follow(stub, change);
      else this.#newest = change;
    }
    this.#letGoFirst(this.#newest?.before?.identity);
    this.#letGoFirst(this.#newest?.after?.identity);
  }

  /** Completes what belongs to a label. */
  finishLabel(oid: number): void {
    this.#finishNewest();
    for (const stub of this.#stubs.takeAll(oid)) this.#onDone(stub);
  }

  /** Completes what has a partition key, because something else of that key comes next. */
  finishKey(graph: string, key: string): void {
    const newest = this.#newest;
    if (newest?.label.graph === graph && hasKey(newest, key)) {
      this.#newest = undefined;
      this.#onDone(newest);
    }
    const stub = this.#stubs.takeByKey(graph, key);
    if (stub) this.#onDone(stub);
  }

  /** Completes everything. */
  finish(): void {
    this.#finishNewest();
    for (const stub of this.#stubs.takeAll()) this.#onDone(stub);
  }

  /** Forgets everything. */
  clear(): void {
    this.#newest = undefined;
    this.#stubs.takeAll();
  }

  #follow(earlier: RowRun, change: RowRun): void {
    const joined = join(earlier, change);
    if (joined === "apart") this.#onDone(earlier);
    this.#newest = joined === "apart" ? change : joined === "nothing" ? undefined : joined;
  }

  #finishNewest(): void {
    const newest = this.#newest;
    if (!newest) return;
    this.#newest = undefined;
    const finished = isStub(newest) ? this.#stubs.add(newest) : newest;
    if (finished) this.#onDone(finished);
  }

  /** A stub whose partition key the newest run has, too, goes out before it. */
  #letGoFirst(identity: Identity | undefined): void {
    if (this.#stubs.size === 0 || !identity || !this.#newest) return;
    const key = keyOf(identity);
    const stub = key === undefined ? undefined : this.#stubs.takeByKey(this.#newest.label.graph, key);
    if (stub) this.#onDone(stub);
  }
}

function hasKey({ before, after }: RowRun, key: string): boolean {
  return [before, after].some((state) => state?.identity && keyOf(state.identity) === key);
}
