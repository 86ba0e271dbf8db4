import type {
  Batch,
  BatchPreference,
  CreateSink,
  FailedEvent,
  Sink,
  SinkContext,
} from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { KustoOptions } from "./config.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import { Failures, type Row } from "./failures.ts";
import type { Ingestion } from "./ingestion.ts";
import { KustoAccess } from "./kusto_access.ts";
import { ManagedIngestion } from "./managed_ingestion.ts";
import { QueuedIngestion } from "./queued_ingestion.ts";
import { rowOf } from "./row.ts";
import { StreamingIngestion } from "./streaming_ingestion.ts";
import { TableSetup } from "./table_setup.ts";
import { type Table, type Tables, tablesOf } from "./tables.ts";

export const createSink: CreateSink<KustoOptions> = (options, context) => new KustoSink(options, context);

/** Writes events as rows into the tables of Azure Data Explorer. */
class KustoSink implements Sink {
  readonly batch: BatchPreference;

  readonly #options: KustoOptions;
  readonly #tables: Tables;
  readonly #log: SinkContext["log"];
  readonly #credentials: Credentials;
  #connection:
    | { readonly stack: DisposableStack; readonly setup: TableSetup; readonly ingestion: Ingestion }
    | undefined;

  constructor(options: KustoOptions, { log }: SinkContext) {
    const { maxBatchBytes, maxBatchAge = options.ingestion === "queued" ? 10_000 : 0 } = options;
    this.batch = { maxEvents: 10_000, maxBytes: maxBatchBytes, lingerMs: maxBatchAge };
    this.#options = options;
    this.#tables = tablesOf(options);
    this.#log = log;
    this.#credentials = credentialsOf(options.auth, options.timeout);
  }

  async connect(signal: AbortSignal): Promise<void> {
    this.#connection ??= this.#open();
    await this.#connection.setup.prepare(signal);
    await this.#connection.ingestion.connect(signal);
  }

  /**
   * Table by table: one that takes nothing holds up no other, but for the later events of the keys that have failed in
   * it. Order is kept within a table. Between tables there is none to keep, since Kusto itself ingests each table's
   * rows apart from the others', and rows of several meet by their TimeStamp alone: an event of one table may be there
   * before an earlier one of another.
   */
  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    if (!this.#connection) throw new SinkError("retryable", "Cannot deliver to Kusto: not connected");
    const { ingestion } = this.#connection;
    const failures = new Failures();
    for (const [table, rows] of this.#byTable(batch, failures)) {
      const sendable = failures.sendable(rows);
      if (sendable.length === 0) continue;
      try {
        await ingestion.ingest(table, sendable, failures, signal);
      } catch (error) {
        if (!(error instanceof SinkError)) throw error;
        for (const row of sendable) failures.add(row, error);
      }
    }
    return failures.list();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#credentials[Symbol.asyncDispose]();
    this.#connection?.stack.dispose();
  }

  /** Lifecycles first, so that a twin is mostly there before its properties are. */
  #byTable(batch: Batch, failures: Failures): Map<Table, Row[]> {
    const { twins, relationships, properties, raw } = this.#tables;
    const rows = new Map<Table, Row[]>();
    for (const table of [twins, relationships, properties, raw]) if (table) rows.set(table, []);
    const withEventId = this.#options.eventIdColumn !== undefined;
    for (const [index, event] of batch.entries()) {
      const row = rowOf(event, this.#tables, withEventId);
      const key = event.partitionkey;
      if (row) rows.get(row.table)?.push({ index, key, json: row.json });
      else failures.add({ index, key }, noTableFor(event.type));
    }
    return rows;
  }

  #open() {
    const { ingestionUri, database, ingestion, timeout } = this.#options;
    const stack = new DisposableStack();
    const engine = stack.use(new KustoAccess(clusterUri(this.#options), this.#credentials, timeout));
    const setup = new TableSetup(this.#tables, database, engine, this.#log);
    const streaming = new StreamingIngestion(engine, database);
    const service = stack.use(new KustoAccess(ingestionUri, this.#credentials, timeout));
    const queued = new QueuedIngestion(service, database, setup);
    switch (ingestion) {
      case "queued":
        return { stack, setup, ingestion: queued };
      case "streaming":
        return { stack, setup, ingestion: streaming };
      case "managed":
        return { stack, setup, ingestion: new ManagedIngestion(streaming, queued) };
    }
    ingestion satisfies never;
  }
}

/** A cluster has two addresses, of which one is made of the other. */
function clusterUri({ clusterUri, ingestionUri }: KustoOptions): string {
  return clusterUri ?? ingestionUri.replace("://ingest-", "://");
}

function noTableFor(type: string): SinkError {
  return new SinkError(
    "rejected",
    `Cannot deliver to Kusto: no table has columns for events of the type ${type}; name a rawTable for them`,
  );
}
