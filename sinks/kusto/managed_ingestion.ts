import { Failures, type Row } from "./failures.ts";
import type { Ingestion } from "./ingestion.ts";
import { isTooLarge } from "./streaming_ingestion.ts";
import type { Table } from "./tables.ts";

/** Milliseconds for which nothing is streamed after that failed, unless the service says how long. */
const PAUSE = 10_000;

/** Streams rows, and queues what cannot be streamed: what is too large for that, and everything while it fails. */
export class ManagedIngestion implements Ingestion {
  readonly #streaming: Ingestion;
  readonly #queued: Ingestion;
  /** As of `performance.now()`. */
  #streamAgainAt = 0;

  constructor(streaming: Ingestion, queued: Ingestion) {
    this.#streaming = streaming;
    this.#queued = queued;
  }

  async connect(signal: AbortSignal): Promise<void> {
    await this.#queued.connect(signal);
  }

  async ingest(table: Table, rows: readonly Row[], failures: Failures, signal: AbortSignal): Promise<void> {
    const pauses = performance.now() < this.#streamAgainAt;
    const left = pauses ? rows : await this.#stream(table, rows, failures, signal);
    if (left.length > 0) await this.#queued.ingest(table, left, failures, signal);
  }

  /** Gives the rows that are to be queued; what is wrong with a row itself, no other way makes right. */
  async #stream(
    table: Table,
    rows: readonly Row[],
    failures: Failures,
    signal: AbortSignal,
  ): Promise<readonly Row[]> {
    const streamed = new Failures();
    await this.#streaming.ingest(table, rows.filter((row) => !isTooLarge(row)), streamed, signal);
    const errors = new Map(streamed.list().map(({ index, error }) => [index, error]));
    for (const row of rows) {
      const error = errors.get(row.index);
      if (error?.kind === "rejected") failures.add(row, error);
    }
    return failures.sendable(rows).filter((row) => {
      const error = errors.get(row.index);
      if (error?.kind === "rejected") return false;
      if (error) this.#streamAgainAt = performance.now() + (error.retryAfterMs ?? PAUSE);
      return error !== undefined || isTooLarge(row);
    });
  }
}
