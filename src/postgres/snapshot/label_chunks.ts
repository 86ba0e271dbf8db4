import { quoteTable } from "../connection/quote.ts";
import type { Sql } from "../connection/sql.ts";
import { follows, type ReplicationSettings } from "../replication/replication_settings.ts";
import type { SnapshotCursor } from "./snapshot_store.ts";

/** A chunk has so many rows at most. */
const MOST_ROWS = 2_000;

/** As they are stored, compressed perhaps, its rows have so many bytes at most, unless it is one row. */
const MOST_BYTES = 1024 * 1024;

/** A table whose rows a snapshot tells. */
export interface SnapshotLabel {
  readonly graph: string;
  readonly label: string;
  readonly kind: "vertex" | "edge";
  /** As the server has counted them last; undefined if it never has. */
  readonly estimatedRows: number | undefined;
  /** Whether a range can be found by an index; Apache AGE makes one from 1.7 on. */
  readonly isIndexed: boolean;
}

/** Rows of a label: those after `after`, or from the first, up to and with `upTo`; both are graphids. */
export interface ChunkRange {
  readonly graph: string;
  readonly label: string;
  readonly after?: string;
  readonly upTo: string;
  /** How many there were: what was written meanwhile may be any number. */
  readonly count: number;
}

/** The first rows of a range as a statement saw them, as many as it had before. */
export interface Chunk {
  readonly rows: readonly { readonly id: string; readonly properties: string }[];
  /** The graphid up to which they are all rows that there were. */
  readonly upTo: string;
  /** The statement's snapshot, as `pg_current_snapshot()` writes it; undefined if there are no rows. */
  readonly visibility: string | undefined;
}

/**
 * The labels of the graphs that are followed in the order in which a snapshot tells them: in each graph models first,
 * then vertices, then edges, so that an edge's ends are known before it. Those before the cursor's label are left out.
 */
export async function readSnapshotLabels(
  sql: Sql,
  settings: Pick<ReplicationSettings, "graphs">,
  cursor: SnapshotCursor | undefined,
): Promise<readonly SnapshotLabel[]> {
  const rows = await sql<{ graph: string; label: string; edge: boolean; rows: number; indexed: boolean }[]>`
    SELECT n.nspname AS graph, c.relname AS label, c.reltuples::float8 AS rows,
      bool_or(a.attname = 'id' AND EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum
      )) AS indexed,
      count(*) FILTER (WHERE a.attname IN ('start_id', 'end_id') AND a.atttypid = t.graphid) = 2 AS edge
    FROM (SELECT to_regtype('ag_catalog.graphid') AS graphid, to_regtype('ag_catalog.agtype') AS agtype) t
    JOIN pg_attribute a ON a.atttypid IN (t.graphid, t.agtype) AND a.attnum > 0 AND NOT a.attisdropped
    -- What is temporary or unlogged, the stream does not tell.
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relpersistence = 'p'
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'ag_catalog'
    GROUP BY n.nspname, c.relname, c.reltuples
    HAVING count(*) FILTER (WHERE a.attname = 'id' AND a.atttypid = t.graphid) = 1
      AND count(*) FILTER (WHERE a.attname = 'properties' AND a.atttypid = t.agtype) = 1`;
  const labels = rows.filter(({ graph }) => follows(settings, graph)).map((row): SnapshotLabel => ({
    graph: row.graph,
    label: row.label,
    kind: row.edge ? "edge" : "vertex",
    estimatedRows: row.rows < 0 ? undefined : row.rows,
    isIndexed: row.indexed,
  })).toSorted(compareLabels);
  if (!cursor) return labels;
  // A label that is gone meanwhile is taken for one of vertices, so that nothing is left out.
  const known = labels.find(({ graph, label }) => graph === cursor.graph && label === cursor.label);
  const at: SnapshotLabel = known ??
    { ...cursor, kind: "vertex", estimatedRows: undefined, isIndexed: false };
  return labels.filter((label) => compareLabels(label, at) >= (cursor.lastId === undefined ? 1 : 0));
}

function compareLabels(a: SnapshotLabel, b: SnapshotLabel): number {
  return compareTexts(a.graph, b.graph) || rankOf(a) - rankOf(b) || compareTexts(a.label, b.label);
}

function rankOf({ kind, label }: SnapshotLabel): number {
  return kind === "edge" ? 2 : label === "Model" ? 0 : 1;
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** The graphid of a label's last row; `undefined` if it has none. */
export async function readLastId(sql: Sql, { graph, label }: SnapshotLabel): Promise<string | undefined> {
  const [last] = await sql<{ id: string }[]>`
    SELECT last.id::text AS id
    FROM (SELECT id FROM ONLY ${sql.unsafe(tableOf(graph, label))} ORDER BY id DESC LIMIT 1) last`;
  return last?.id;
}

/** The next range of a label, after a graphid or from its first row on, and up to `end`; `undefined` if it has no rows. */
export async function nextRange(
  sql: Sql,
  { graph, label }: SnapshotLabel,
  after: string | undefined,
  end: string,
): Promise<ChunkRange | undefined> {
  const [last] = await sql<{ id: string; count: number }[]>`
    SELECT id::text AS id, number::int AS count FROM (
      SELECT id, row_number() OVER so_far AS number, sum(pg_column_size(properties)) OVER so_far AS bytes
      FROM (
        SELECT id, properties FROM ONLY ${sql.unsafe(tableOf(graph, label))}
        WHERE ${between(sql, after, end)} ORDER BY id LIMIT ${MOST_ROWS}
      ) next
      WINDOW so_far AS (ORDER BY id)
    ) counted
    WHERE number = 1 OR bytes <= ${MOST_BYTES}
    ORDER BY counted.id DESC LIMIT 1`;
  return last && { graph, label, ...(after !== undefined && { after }), upTo: last.id, count: last.count };
}

/** The rows of a range, as they are now. */
export async function readChunk(sql: Sql, { graph, label, after, upTo, count }: ChunkRange): Promise<Chunk> {
  const rows = await sql<{ visibility: string; id: string; properties: string }[]>`
    SELECT pg_current_snapshot()::text AS visibility, chunk.id::text AS id, chunk.properties
    FROM (
      SELECT id, properties FROM ONLY ${sql.unsafe(tableOf(graph, label))}
      WHERE ${between(sql, after, upTo)} ORDER BY id LIMIT ${count}
    ) chunk
    ORDER BY chunk.id`;
  const last = rows.length < count ? undefined : rows.at(-1)?.id;
  return { rows, upTo: last ?? upTo, visibility: rows[0]?.visibility };
}

function between(sql: Sql, after: string | undefined, upTo: string) {
  const isInReach = sql`id OPERATOR(ag_catalog.<=) ${upTo}::ag_catalog.graphid`;
  return after === undefined
    ? isInReach
    : sql`id OPERATOR(ag_catalog.>) ${after}::ag_catalog.graphid AND ${isInReach}`;
}

function tableOf(graph: string, label: string): string {
  return quoteTable({ schema: graph, name: label });
}
