import postgres, { type Sql } from "postgres";
import { createAgeShape, createEdgeLabel, createGraph, createVertexLabel } from "../../demo/age_shape.ts";
import { type PostgresOptions, type PostgresServer, startPostgres } from "../../demo/embedded_postgres.ts";
import type { ConnectionOptions } from "../../src/postgres/connection/connection_options.ts";
import { quoteName } from "../../src/postgres/connection/quote.ts";
import type { ReplicationSettings } from "../../src/postgres/replication/replication_settings.ts";

/** One PostgreSQL server for many tests: each gets a database of its own, with a graph in it. */
export class GraphCluster implements AsyncDisposable {
  readonly server: PostgresServer;
  readonly #open: GraphDatabase[] = [];
  #count = 0;

  private constructor(server: PostgresServer) {
    this.server = server;
  }

  static async start(options: PostgresOptions = {}): Promise<GraphCluster> {
    return new GraphCluster(await startPostgres(options));
  }

  /** A new database with AGE's shape and these graphs, each with the labels `Twin` and `contains`. */
  async database(graphs: readonly string[] = ["digitaltwins"]): Promise<GraphDatabase> {
    const name = `twins_${++this.#count}`;
    await using admin = this.#connect("postgres");
    await admin.unsafe(`CREATE DATABASE ${name}`);
    const database = new GraphDatabase(this.server, name, this.#connect(name));
    this.#open.push(database);
    await createAgeShape(database.sql);
    for (const graph of graphs) {
      await createGraph(database.sql, graph);
      await createVertexLabel(database.sql, graph, "Twin");
      await createEdgeLabel(database.sql, graph, "contains");
    }
    return database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const database of this.#open) await database[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }

  #connect(database: string): Sql & AsyncDisposable {
    const sql = postgres({
      host: this.server.host,
      port: this.server.port,
      user: "postgres",
      database,
      max: 2,
      onnotice: () => {},
    });
    return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) });
  }
}

/** A database with graphs, and how a router would be told of it. */
export class GraphDatabase implements AsyncDisposable {
  readonly server: PostgresServer;
  readonly name: string;
  /** As a superuser. */
  readonly sql: Sql;

  constructor(server: PostgresServer, name: string, sql: Sql) {
    this.server = server;
    this.name = name;
    this.sql = sql;
  }

  /** A slot and a publication that are named after the database; slots are the whole server's. */
  settings(
    { user = "postgres", ...changed }: Partial<ReplicationSettings> & { readonly user?: string } = {},
  ): ReplicationSettings {
    const connection: ConnectionOptions = {
      hosts: [{ host: this.server.host, port: this.server.port }],
      database: this.name,
      user,
      sslMode: "disable",
      channelBinding: "disable",
      targetSessionAttrs: "any",
      connectTimeout: 3_000,
      applicationName: "twinrouter",
    };
    return {
      connection,
      slot: `${this.name}_slot`,
      publication: `${this.name}_pub`,
      failover: true,
      ...changed,
    };
  }

  /** A role that may log in and replicate, and owns what is in the graph. */
  async createOwner(role: string, graph = "digitaltwins"): Promise<void> {
    await this.createRole(role, "REPLICATION");
    await this.sql.unsafe(`GRANT CREATE ON DATABASE ${this.name} TO ${quoteName(role)};
      ALTER SCHEMA ${quoteName(graph)} OWNER TO ${quoteName(role)};`);
    const tables = await this.sql<{ name: string }[]>`
      SELECT oid::regclass::text AS name FROM pg_class
      WHERE relnamespace = ${quoteName(graph)}::regnamespace AND relkind = 'r'`;
    for (const { name } of tables) await this.sql.unsafe(`ALTER TABLE ${name} OWNER TO ${quoteName(role)}`);
  }

  async createRole(role: string, attributes = ""): Promise<void> {
    await this.sql.unsafe(`CREATE ROLE ${quoteName(role)} LOGIN ${attributes}`);
  }

  /** Writes a twin, in a transaction of its own. */
  async insertTwin(id: string, graph = "digitaltwins"): Promise<void> {
    await this.sql`INSERT INTO ${this.sql(graph)}."Twin" (properties) VALUES (${`{"$dtId": "${id}"}`})`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
  }
}
