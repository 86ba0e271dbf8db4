import { CompressionType, DataFormat, StreamDescriptor, StreamingIngestClient } from "azure-kusto-ingest";
import { Buffer } from "node:buffer";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { Failures, Row } from "./failures.ts";
import { gzipped } from "./gzipped.ts";
import type { Ingestion } from "./ingestion.ts";
import type { KustoAccess } from "./kusto_access.ts";
import { MAPPING, type Table } from "./tables.ts";

/** The most that a request takes, before compression. */
const MOST_STREAMED_BYTES = 4_000_000;

/**
 * Straight into a table, there to be queried when it is answered. A request is taken as a whole or not at all.
 * @see https://learn.microsoft.com/kusto/api/rest/streaming-ingest
 */
export class StreamingIngestion implements Ingestion {
  readonly #engine: KustoAccess;
  readonly #client: StreamingClient;
  readonly #database: string;

  constructor(engine: KustoAccess, database: string) {
    this.#engine = engine;
    this.#client = new StreamingClient(engine);
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
    const action = `stream into ${table.name} at ${this.#engine.origin}`;
    if (rows.some(isTooLarge)) {
      return new SinkError(
        "rejected",
        `Cannot ${action}: the event is larger than ${MOST_STREAMED_BYTES} bytes`,
      );
    }
    const { bytes } = await gzipped(rows);
    // The client puts names into its URL as they are.
    const properties = {
      database: encodeURIComponent(this.#database),
      table: encodeURIComponent(table.name),
      format: DataFormat.JSON,
      ingestionMappingReference: MAPPING,
    };
    try {
      await this.#engine.call(
        { action, sendsRows: true },
        signal,
        () =>
          this.#client.ingestFromStream(
            new StreamDescriptor(bytes, null, CompressionType.GZIP),
            properties,
          ),
      );
      return undefined;
    } catch (error) {
      if (error instanceof SinkError) return error;
      throw error;
    }
  }
}

class StreamingClient extends StreamingIngestClient {
  constructor(engine: KustoAccess) {
    super(engine.connectionString(), null, false);
    engine.bind(this.kustoClient);
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
