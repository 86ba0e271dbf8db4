import type { HttpClient } from "../../src/sink/http_client.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { USER_AGENT } from "../../src/sink/user_agent.ts";
import type { Failures, Row } from "./failures.ts";
import { gzipped } from "./gzipped.ts";
import type { Ingestion } from "./ingestion.ts";
import { CachedResources } from "./ingestion_resources.ts";
import type { KustoEndpoint } from "./kusto_endpoint.ts";
import { putBlob, putMessage } from "./storage.ts";
import { MAPPING, mappingOf, type Table } from "./tables.ts";

/** Of the storage accounts that the service offers, so many are tried. */
const MOST_TRIES = 3;

/**
 * By way of Azure Storage: the rows as a blob, and a message that tells Kusto of it. Once the message is taken Kusto has
 * the rows in its care; it gathers blobs, whose sizes the messages tell, for as long as the table's batching policy says.
 * @see https://learn.microsoft.com/kusto/api/netfx/kusto-ingest-client-rest
 */
export class QueuedIngestion implements Ingestion {
  readonly #http: HttpClient;
  readonly #database: string;
  readonly #resources: CachedResources;
  readonly #mappings: { hasMapping(table: Table): boolean };
  /** Batches so far, by which storage accounts take turns. */
  #turn = 0;

  constructor(
    service: KustoEndpoint,
    http: HttpClient,
    database: string,
    mappings: { hasMapping(table: Table): boolean },
  ) {
    this.#http = http;
    this.#database = database;
    this.#resources = new CachedResources(service);
    this.#mappings = mappings;
  }

  async connect(signal: AbortSignal): Promise<void> {
    this.#resources.drop();
    await this.#resources.get(signal);
  }

  async ingest(table: Table, rows: readonly Row[], _failures: Failures, signal: AbortSignal): Promise<void> {
    const { containers, queues, authorizationContext } = await this.#resources.get(signal);
    const { bytes, rawSize } = await gzipped(rows);
    const id = crypto.randomUUID();
    // By the ending Kusto knows that it is compressed.
    const name = `${this.#database}__${table.name}__${id}.json.gz`;
    const blob = await this.#inTurn(
      containers,
      signal,
      (container) => putBlob(container, name, bytes, this.#http, signal),
    );
    const message = JSON.stringify({
      Id: id,
      BlobPath: blob,
      RawDataSize: rawSize,
      DatabaseName: this.#database,
      TableName: table.name,
      RetainBlobOnSuccess: true,
      FlushImmediately: false,
      IgnoreSizeLimit: false,
      ReportLevel: 0, // failures
      ReportMethod: 0, // to a queue
      SourceMessageCreationTime: new Date().toISOString(),
      IngestionStatusInTable: null,
      ApplicationForTracing: USER_AGENT,
      ClientVersionForTracing: USER_AGENT,
      AdditionalProperties: {
        authorizationContext,
        format: "json",
        ingestionMappingType: "Json",
        ...this.#mappings.hasMapping(table)
          ? { ingestionMappingReference: MAPPING }
          : { ingestionMapping: mappingOf(table) },
      },
    });
    await this.#inTurn(queues, signal, (queue) => putMessage(queue, message, this.#http, signal));
    this.#turn++;
  }

  /** What the first that does it gives; what the last says where none does. */
  async #inTurn<Result>(
    addresses: readonly string[],
    signal: AbortSignal,
    work: (address: string) => Promise<Result>,
  ): Promise<Result> {
    const tries = Math.min(addresses.length, MOST_TRIES);
    for (let attempt = 0;; attempt++) {
      try {
        return await work(addresses[(this.#turn + attempt) % addresses.length] ?? "");
      } catch (error) {
        // Their signatures may have ended.
        this.#resources.drop();
        if (!(error instanceof SinkError) || signal.aborted || attempt + 1 >= tries) throw error;
      }
    }
  }
}
