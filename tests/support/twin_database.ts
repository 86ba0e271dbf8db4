import postgres, { type Sql } from "postgres";
import { createAgeShape, createEdgeLabel, createGraph, createVertexLabel } from "../../demo/age_shape.ts";
import { type PostgresOptions, type PostgresServer, startPostgres } from "../../demo/embedded_postgres.ts";

/** A real PostgreSQL that holds the graph `digitaltwins` with the labels `Twin`, `Model` and `contains`. */
export class TwinDatabase implements AsyncDisposable {
  readonly server: PostgresServer;
  readonly sql: Sql;

  private constructor(server: PostgresServer, sql: Sql) {
    this.server = server;
    this.sql = sql;
  }

  static async open(options: PostgresOptions = {}): Promise<TwinDatabase> {
    const server = await startPostgres(options);
    const sql = postgres(server.connectionString, { max: 2, onnotice: () => {} });
    const database = new TwinDatabase(server, sql);
    try {
      await createAgeShape(sql);
      await createGraph(sql, "digitaltwins");
      await createVertexLabel(sql, "digitaltwins", "Twin");
      await createVertexLabel(sql, "digitaltwins", "Model");
      await createEdgeLabel(sql, "digitaltwins", "contains");
      return database;
    } catch (error) {
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
    await this.server[Symbol.asyncDispose]();
  }
}
