import type { Sql } from "../connection/sql.ts";
import type { ReplicaIdentity } from "../wal_message.ts";

/** A table whose changes are published, with what decides whether they can be. */
export interface PublishedTable {
  readonly schema: string;
  readonly name: string;
  readonly identity: ReplicaIdentity;
  readonly hasPrimaryKey: boolean;
  /** Whether this role may alter it. */
  readonly owned: boolean;
  /** A publication that publishes only some columns of it by name, if there is one. */
  readonly columnListIn: string | undefined;
}

/** What Apache AGE has in this database. */
export interface GraphCatalog {
  /** By graph name: the tables of its labels, the two that all others inherit from first. */
  readonly graphs: ReadonlyMap<string, readonly PublishedTable[]>;
  /** `ag_catalog.ag_graph` and `ag_catalog.ag_label`; empty without AGE. */
  readonly agCatalog: readonly PublishedTable[];
}

/**
 * Reads graphs and labels from PostgreSQL's own catalog instead of `ag_catalog`, because everybody may read that one: a
 * role that has REPLICATION and nothing else can be enough. A graph is a schema with AGE's two base tables, a label a
 * table that inherits from one of them.
 */
export async function readGraphCatalog(sql: Sql): Promise<GraphCatalog> {
  const rows = await sql<TableRow[]>`
    WITH RECURSIVE label AS (
      SELECT c.oid, c.relnamespace, 0 AS depth
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'properties' AND NOT a.attisdropped
      WHERE c.relname IN ('_ag_label_vertex', '_ag_label_edge') AND c.relkind = 'r'
        AND a.atttypid = to_regtype('ag_catalog.agtype')
      UNION
      SELECT c.oid, c.relnamespace, 1
      FROM pg_inherits i
      JOIN label ON label.oid = i.inhparent
      JOIN pg_class c ON c.oid = i.inhrelid AND c.relnamespace = label.relnamespace
    ), published AS (
      SELECT oid, min(depth) AS depth, true AS label FROM label GROUP BY oid
      UNION ALL
      SELECT oid, 0, false FROM pg_class
      WHERE relname IN ('ag_graph', 'ag_label') AND relkind = 'r' AND relnamespace = to_regnamespace('ag_catalog')
    )
    SELECT n.nspname AS schema, c.relname AS name, c.relreplident::text AS identity, p.label,
      pg_has_role(c.relowner, 'USAGE') AS owned, (
        -- As JSON, because column lists came with PostgreSQL 15.
        SELECT min(pub.pubname::text) FROM pg_publication_rel r
        JOIN pg_publication pub ON pub.oid = r.prpubid
        WHERE r.prrelid = c.oid AND to_jsonb(r) ->> 'prattrs' IS NOT NULL
      ) AS columns_in,
      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid) AS key
    FROM published p
    JOIN pg_class c ON c.oid = p.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    ORDER BY n.nspname, p.depth, c.relname`;
  const graphs = new Map<string, PublishedTable[]>();
  const agCatalog: PublishedTable[] = [];
  for (const row of rows) {
    const table = {
      schema: row.schema,
      name: row.name,
      identity: IDENTITIES[row.identity],
      hasPrimaryKey: row.key,
      owned: row.owned,
      columnListIn: row.columns_in ?? undefined,
    };
    if (!row.label) agCatalog.push(table);
    else if (!graphs.get(row.schema)?.push(table)) graphs.set(row.schema, [table]);
  }
  return { graphs, agCatalog };
}

/** Whether UPDATE and DELETE on the table work once it is published. */
export function hasReplicaIdentity(table: PublishedTable): boolean {
  return table.identity === "default" ? table.hasPrimaryKey : table.identity !== "nothing";
}

interface TableRow {
  schema: string;
  name: string;
  identity: keyof typeof IDENTITIES;
  label: boolean;
  owned: boolean;
  key: boolean;
  columns_in: string | null;
}

/** `pg_class.relreplident` */
const IDENTITIES = { d: "default", n: "nothing", f: "full", i: "index" } as const;
