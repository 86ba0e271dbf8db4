import type { Lsn } from "../postgres/lsn.ts";
import type { SnapshotRun } from "./snapshot_run.ts";
import type { SnapshotWindow } from "./snapshot_window.ts";
import type { Gap, SnapshotMark, TwinChange } from "./twin_change.ts";

/** What becomes of a chunk: it is told, or was read too early, or in vain, and has to be read once more. */
export type Outcome = "told" | "early";

interface Passing {
  readonly run: SnapshotRun;
  readonly window: SnapshotWindow;
  readonly through: (outcome: Outcome) => void;
}

/**
 * Where chunks pass into the stream, one at a time. From its low watermark on a chunk's window follows what the stream
 * tells; at the high one its rows are told; and once that transaction is over, its run is told up to there.
 */
export class SnapshotPassage {
  /** Before its high watermark. */
  #passing: Passing | undefined;
  /** Behind it, in a transaction that is not over. */
  #closing: Passing & { readonly commitLsn: Lsn } | undefined;
  /** Told whole, and perhaps not in the sinks' queues yet. */
  #through: Passing | undefined;

  /** To be called before the chunk's low watermark is written. Resolves when it is through. */
  enter(run: SnapshotRun, window: SnapshotWindow): Promise<Outcome> {
    const { promise, resolve: through } = Promise.withResolvers<Outcome>();
    this.#passing = { run, window, through };
    return promise;
  }

  /** Forgets a chunk that has not come to its high watermark: its reader has failed, or the connection. */
  interrupt(): void {
    this.#passing?.through("early");
    this.#passing = undefined;
  }

  follow(item: TwinChange | Gap): void {
    this.#passing?.window.follow(item);
  }

  /** What is told at a watermark; those of other chunks, and other routers, mean nothing. */
  reach(mark: SnapshotMark): readonly TwinChange[] {
    const passing = this.#passing;
    if (!passing || mark.message.kind === "request" || mark.message.chunk !== passing.window.id) return [];
    if (mark.message.kind === "low") {
      passing.window.open();
      return [];
    }
    const rows = passing.window.close(mark, passing.run.snapshot);
    if (!rows) {
      this.interrupt();
      return [];
    }
    this.#passing = undefined;
    passing.run.tell(rows.length);
    this.#closing = { ...passing, commitLsn: mark.position.commitLsn };
    return rows;
  }

  /** All before `lsn` is told. After a reconnect earlier transactions end once more. */
  settle(lsn: Lsn): void {
    if (!this.#closing || lsn <= this.#closing.commitLsn) return;
    this.#closing.run.toldUpTo(lsn);
    this.#through = this.#closing;
    this.#closing = undefined;
  }

  /** The sinks' queues have all that was given: the next chunk may come. */
  letThrough(): void {
    this.#through?.through("told");
    this.#through = undefined;
  }
}
