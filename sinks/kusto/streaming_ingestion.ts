import { Buffer } from "node:buffer";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { Failures, Row } from "./failures.ts";
import { gzipped } from "./gzipped.ts";
import type { Ingestion } from "./ingestion.ts";
import type { KustoEndpoint } from "./kusto_endpoint.ts";
import { rowsRefusal } from "./kusto_error.ts";
import { MAPPING, type Table } from "./tables.ts";

/** The most that a request takes, before compression. */
const MOST_STREAMED_BYTES = 4_000_000;

/**
 * Straight into a table, there to be queried when it is answered. A request is taken as a whole or not at all.
 * @see https://learn.microsoft.com/kusto/api/rest/streaming-ingest
 */
export class StreamingIngestion implements Ingestion {
  readonly #engine: KustoEndpoint;
  readonly #database: string;

  constructor(engine: KustoEndpoint, database: string) {
    this.#engine = engine;
    this.#database = database;
  }

  /** The tables are all that it needs. */
  async connect(): Promise<void> {}

  async ingest(table: Table, rows: readonly Row[], failures: Failures, signal: AbortSignal): Promise<void> {
    for (const part of inRequests(rows)) await this.#ingest(table, part, failures, signal);
  }

  /** One bad row spoils its request, so the halves of one that is rejected are tried, until it is alone. */
  async #ingest(table: Table, all: readonly Row[], failures: Failures, signal: AbortSignal): Promise<void> {
    const rows = failures.sendable(all);
    const [first] = rows;
    if (!first) return;
    const error = await this.#post(table, rows, signal);
    if (!error) return;
    if (error.kind !== "rejected" || rows.length === 1) {
      for (const row of rows) failures.add(row, error);
      return;
    }
    const middle = rows.length >> 1;
    await this.#ingest(table, rows.slice(0, middle), failures, signal);
    await this.#ingest(table, rows.slice(middle), failures, signal);
  }

  async #post(table: Table, rows: readonly Row[], signal: AbortSignal): Promise<SinkError | undefined> {
    const { origin } = this.#engine;
    if (rows.some(isTooLarge)) {
      return new SinkError(
        "rejected",
        `Cannot stream into ${table.name} at ${origin}: the event is larger than ${MOST_STREAMED_BYTES} bytes`,
      );
    }
    const { bytes } = await gzipped(rows);
    const path = `/v1/rest/ingest/${encodeURIComponent(this.#database)}/${encodeURIComponent(table.name)}` +
      `?streamFormat=json&mappingName=${MAPPING}`;
    const headers = { "content-type": "application/octet-stream", "content-encoding": "gzip" };
    try {
      const answer = await this.#engine.post(path, headers, bytes, signal);
      return answer.status === 200 ? undefined : rowsRefusal(origin, table.name, answer);
    } catch (error) {
      if (error instanceof SinkError) return error;
      throw error;
    }
  }
}

/** Whether a row cannot be streamed, even alone. */
export function isTooLarge(row: Row): boolean {
  return bytesOf(row) > MOST_STREAMED_BYTES;
}

/** Cuts rows into requests that are taken; a row that is too large alone has one for itself. */
function inRequests(rows: readonly Row[]): readonly (readonly Row[])[] {
  const requests: Row[][] = [];
  let bytes = Infinity;
  for (const row of rows) {
    const size = bytesOf(row);
    if (bytes + size > MOST_STREAMED_BYTES) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)?.push(row);
    bytes += size;
  }
  return requests;
}

/** With the end of its line. */
function bytesOf({ json }: Row): number {
  return Buffer.byteLength(json) + 1;
}
