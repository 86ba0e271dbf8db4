import type { Failures, Row } from "./failures.ts";
import type { Table } from "./tables.ts";

/** A way for rows into a table. */
export interface Ingestion {
  /** Reaches what it needs beside the tables themselves. */
  connect(signal: AbortSignal): Promise<void>;

  /**
   * Resolves once every row that it does not add to the failures is durable at the far end; throws a `SinkError` if it
   * took none. Sends no row whose key has failed before.
   */
  ingest(table: Table, rows: readonly Row[], failures: Failures, signal: AbortSignal): Promise<void>;
}
