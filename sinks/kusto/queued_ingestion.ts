import { BlobDescriptor, DataFormat, IngestionMappingKind } from "azure-kusto-ingest";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { Failures, Row } from "./failures.ts";
import { gzipped } from "./gzipped.ts";
import type { Ingestion } from "./ingestion.ts";
import type { KustoAccess } from "./kusto_access.ts";
import { StorageClient } from "./storage_client.ts";
import { MAPPING, mappingOf, type Table } from "./tables.ts";

/**
 * By way of Azure Storage: the rows as a blob, and a message that tells Kusto of it. Once the message is taken Kusto has
 * the rows in its care; it gathers blobs, whose sizes the messages tell, for as long as the table's batching policy says.
 */
export class QueuedIngestion implements Ingestion {
  readonly #service: KustoAccess;
  readonly #client: StorageClient;
  readonly #database: string;
  readonly #mappings: { hasMapping(table: Table): boolean };

  constructor(
    service: KustoAccess,
    database: string,
    mappings: { hasMapping(table: Table): boolean },
  ) {
    this.#service = service;
    this.#client = new StorageClient(service);
    this.#database = database;
    this.#mappings = mappings;
  }

  async connect(signal: AbortSignal): Promise<void> {
    const { resourceManager } = this.#client;
    const action = `command ${this.#service.origin}`;
    this.#client.forgetResources();
    await this.#service.call({ action, sendsRows: false }, signal, async () => {
      const { containers, securedReadyForAggregationQueues: queues } = await resourceManager
        .refreshIngestClientResources();
      await resourceManager.getAuthorizationContext();
      if (containers?.length && queues?.length) return;
      throw new SinkError(
        "retryable",
        `Cannot ${action}: it offers no storage; is it the ingestion address?`,
      );
    });
  }

  async ingest(table: Table, rows: readonly Row[], _failures: Failures, signal: AbortSignal): Promise<void> {
    const { bytes, rawSize } = await gzipped(rows);
    const id = crypto.randomUUID();
    // By the ending Kusto knows that it is compressed.
    const name = `${this.#database}__${table.name}__${id}.json.gz`;
    const blob = await this.#service.call(
      { action: "upload rows", sendsRows: false },
      signal,
      () => this.#client.uploadToBlobWithRetry(bytes, name),
    );
    await this.#service.call(
      { action: "queue rows", sendsRows: false },
      signal,
      () =>
        this.#client.ingestFromBlob(new BlobDescriptor(blob, rawSize, id), {
          database: this.#database,
          table: table.name,
          format: DataFormat.JSON,
          ingestionMappingKind: IngestionMappingKind.JSON,
          ...this.#mappings.hasMapping(table)
            ? { ingestionMappingReference: MAPPING }
            : { ingestionMappingColumns: mappingOf(table) },
        }),
    );
  }
}
