import { Client } from "azure-kusto-data";
import type { SinkLog } from "../../src/sink/sink.ts";
import type { KustoAccess } from "./kusto_access.ts";
import { KustoRefusal } from "./kusto_error.ts";
import { createMapping, createTable, type Table, type Tables } from "./tables.ts";

/** Makes the tables and their mappings, or tells what an administrator has to. */
export class TableSetup {
  readonly #tables: readonly Table[];
  readonly #database: string;
  readonly #engine: KustoAccess;
  readonly #client: Client;
  readonly #log: SinkLog;
  readonly #mapped = new Set<Table>();
  #told = false;

  constructor(tables: Tables, database: string, engine: KustoAccess, log: SinkLog) {
    const { twins, relationships, properties, raw } = tables;
    this.#tables = [twins, relationships, properties, ...raw ? [raw] : []];
    this.#database = database;
    this.#engine = engine;
    this.#client = engine.bind(new Client(engine.connectionString()));
    this.#log = log;
  }

  /** Throws what stands in the way, but for a principal that may not: somebody else may have made the tables. */
  async prepare(signal: AbortSignal): Promise<void> {
    const forbidden: string[] = [];
    for (const table of this.#tables) {
      const madeTable = await this.#run(createTable(table), forbidden, signal);
      const madeMapping = await this.#run(createMapping(table), forbidden, signal);
      if (madeTable && madeMapping) this.#mapped.add(table);
      else this.#mapped.delete(table);
    }
    if (forbidden.length === 0 || this.#told) return;
    this.#told = true;
    this.#log.warn(
      "Cannot make tables and mappings: not allowed; an administrator of the database runs these commands, unless " +
        "somebody has",
      { database: this.#database, commands: forbidden },
    );
  }

  /** Whether the table's mapping is there under its name, as far as is known. */
  hasMapping(table: Table): boolean {
    return this.#mapped.has(table);
  }

  async #run(command: string, forbidden: string[], signal: AbortSignal): Promise<boolean> {
    try {
      await this.#engine.call(
        { action: `command ${this.#engine.origin}`, sendsRows: false },
        signal,
        () => this.#client.executeMgmt(this.#database, command),
      );
      return true;
    } catch (error) {
      if (!(error instanceof KustoRefusal) || error.status !== 403) throw error;
      forbidden.push(command);
      return false;
    }
  }
}
