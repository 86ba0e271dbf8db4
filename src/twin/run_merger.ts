import { type Identity, keyOf } from "./identity.ts";
import { isNobody, isSameRow, isStub, join, type RowRun } from "./row_run.ts";
import { WaitingStubs } from "./waiting_stubs.ts";

/**
 * Makes runs of a transaction's changes: adjacent changes of one row are joined, and a stub waits for its row's next
 * change. Runs are appended to `done` when nothing can join them any more, those of one partition key in the order of
 * their ordinals.
 */
export class RunMerger {
  /** The newest run, which the next change may join. */
  #newest: RowRun | undefined;
  readonly #stubs = new WaitingStubs();

  /** Takes the next change. What is nobody's is done at once, and parts no run. */
  add(change: RowRun, done: RowRun[]): void {
    if (this.#newest && isSameRow(this.#newest, change)) {
      this.#follow(this.#newest, change, done);
    } else {
      const stub = this.#stubs.take(change);
      if (!stub && isNobody(change)) {
        done.push(change);
        return;
      }
      this.#finishNewest(done);
      if (stub) this.#follow(stub, change, done);
      else this.#newest = change;
    }
    this.#letGoFirst(this.#newest?.before?.identity, done);
    this.#letGoFirst(this.#newest?.after?.identity, done);
  }

  /** Completes what belongs to a label. */
  finishLabel(oid: number, done: RowRun[]): void {
    this.#finishNewest(done);
    done.push(...this.#stubs.takeAll(oid));
  }

  /** Completes everything. */
  finish(done: RowRun[]): void {
    this.#finishNewest(done);
    done.push(...this.#stubs.takeAll());
  }

  /** Forgets everything. */
  clear(): void {
    this.#newest = undefined;
    this.#stubs.takeAll();
  }

  #follow(earlier: RowRun, change: RowRun, done: RowRun[]): void {
    const joined = join(earlier, change);
    if (joined === "apart") done.push(earlier);
    this.#newest = joined === "apart" ? change : joined === "nothing" ? undefined : joined;
  }

  #finishNewest(done: RowRun[]): void {
    const newest = this.#newest;
    if (!newest) return;
    this.#newest = undefined;
    const finished = isStub(newest) ? this.#stubs.add(newest) : newest;
    if (finished) done.push(finished);
  }

  /** A stub whose partition key the newest run has, too, goes out before it. */
  #letGoFirst(identity: Identity | undefined, done: RowRun[]): void {
    if (this.#stubs.size === 0 || !identity || !this.#newest) return;
    const key = keyOf(identity);
    const stub = key === undefined ? undefined : this.#stubs.takeByKey(this.#newest.label.graph, key);
    if (stub) done.push(stub);
  }
}
