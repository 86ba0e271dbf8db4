import type { Sql } from "../connection/sql.ts";
import { makeEventingTables, mayMakeEventingTables } from "../eventing_schema.ts";
import type { SnapshotRequest } from "./snapshot_message.ts";

/** How far a snapshot has come: everything up to this row of this label, in the order of `SnapshotLabel`s, is told. */
export interface SnapshotCursor {
  readonly graph: string;
  readonly label: string;
  /** A graphid; undefined after the last row of the label. */
  readonly lastId?: string;
}

/** A snapshot that is not finished. */
export interface Snapshot {
  readonly id: string;
  /** The only sink that gets it; absent for all. */
  readonly sink?: string;
  /** Of its events, which ones; absent for all. */
  readonly filter?: string;
  /** Absent before the first row. */
  readonly cursor?: SnapshotCursor;
  /** Rows that have been told. */
  readonly rows: number;
}

export interface SnapshotProgress {
  readonly rows: number;
  /** That of the last row, with its graph; undefined before it. */
  readonly label: string | undefined;
  readonly isFinished: boolean;
}

/** Where a router may keep its state in the database: what is there, and what its role may do. */
export interface StoreRights {
  readonly exists: boolean;
  /** Whether rows can be read and written, once it exists. */
  readonly writable: boolean;
  /** Whether this role may make it. */
  readonly mayMake: boolean;
}

/** The SQL that makes the store, in its schema; a role without CREATE on the database has somebody else run it, and then grant. */
export const STORE_STATEMENTS: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS digitaltwins_eventing.snapshots (
  slot text NOT NULL,
  id text NOT NULL,
  initial boolean NOT NULL,
  sink text,
  filter text,
  graph text,
  label text,
  last_id text,
  rows bigint NOT NULL DEFAULT 0,
  requested_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  PRIMARY KEY (slot, id)
)`,
];

/** What `role` needs in a store that somebody else has made. */
export function storeGrants(quotedRole: string): readonly string[] {
  return [
    `GRANT USAGE ON SCHEMA digitaltwins_eventing TO ${quotedRole}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON digitaltwins_eventing.snapshots TO ${quotedRole}`,
  ];
}

export async function readStoreRights(sql: Sql): Promise<StoreRights> {
  // By the catalogue, since a schema that one may not use is not found by its name.
  const [row] = await sql<{ writable: boolean }[]>`
    SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
      AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
      AND has_table_privilege(c.oid, 'DELETE') AS writable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'digitaltwins_eventing' AND c.relname = 'snapshots'`;
  const mayMake = await mayMakeEventingTables(sql);
  return { exists: row !== undefined, writable: row?.writable ?? false, mayMake };
}

/** The snapshots of a router, which is known by its slot, as they are kept in the database. */
export class SnapshotStore {
  readonly #sql: Sql;
  readonly #slot: string;

  constructor(sql: Sql, slot: string) {
    this.#sql = sql;
    this.#slot = slot;
  }

  /** Makes the store if it is missing. */
  async prepare(): Promise<void> {
    if ((await this.rights()).exists) return;
    await makeEventingTables(this.#sql, STORE_STATEMENTS);
  }

  rights(): Promise<StoreRights> {
    return readStoreRights(this.#sql);
  }

  /** To be called before a slot is made: everything that is there when the slot begins has to be told. */
  async addInitial(): Promise<void> {
    await this.#sql`
      WITH earlier AS (
        DELETE FROM digitaltwins_eventing.snapshots
        WHERE slot = ${this.#slot} AND initial AND finished_at IS NULL
      )
      INSERT INTO digitaltwins_eventing.snapshots (slot, id, initial)
      VALUES (${this.#slot}, ${crypto.randomUUID()}, true)`;
  }

  /** Keeps a request, unless it is known already. False if its snapshot is finished. */
  async add({ id, sink, filter }: SnapshotRequest): Promise<boolean> {
    const [row] = await this.#sql<{ unfinished: boolean }[]>`
      INSERT INTO digitaltwins_eventing.snapshots (slot, id, initial, sink, filter)
      VALUES (${this.#slot}, ${id}, false, ${sink ?? null}, ${filter ?? null})
      ON CONFLICT (slot, id) DO UPDATE SET slot = excluded.slot
      RETURNING finished_at IS NULL AS unfinished`;
    return row?.unfinished ?? false;
  }

  /** Those that are not finished, in the order in which they were asked for. */
  async unfinished(): Promise<readonly Snapshot[]> {
    const rows = await this.#sql<SnapshotRow[]>`
      SELECT id, sink, filter, graph, label, last_id, rows::float8 AS rows
      FROM digitaltwins_eventing.snapshots
      WHERE slot = ${this.#slot} AND finished_at IS NULL ORDER BY requested_at, id`;
    return rows.map(snapshotOf);
  }

  /** How far a snapshot is delivered; `undefined` while no router has accepted it. */
  async progressOf(id: string): Promise<SnapshotProgress | undefined> {
    if (!(await this.rights()).writable) return undefined;
    const [row] = await this.#sql<{ rows: number; label: string | null; finished: boolean }[]>`
      SELECT rows::float8 AS rows, graph || '.' || label AS label, finished_at IS NOT NULL AS finished
      FROM digitaltwins_eventing.snapshots WHERE slot = ${this.#slot} AND id = ${id}`;
    return row && { rows: row.rows, label: row.label ?? undefined, isFinished: row.finished };
  }

  async saveCursor(id: string, { graph, label, lastId }: SnapshotCursor, rows: number): Promise<void> {
    await this.#sql`
      UPDATE digitaltwins_eventing.snapshots
      SET graph = ${graph}, label = ${label}, last_id = ${lastId ?? null}, rows = ${rows}
      WHERE slot = ${this.#slot} AND id = ${id}`;
  }

  async finish(id: string, rows: number): Promise<void> {
    await this.#sql`
      UPDATE digitaltwins_eventing.snapshots SET rows = ${rows}, finished_at = now()
      WHERE slot = ${this.#slot} AND id = ${id}`;
  }
}

interface SnapshotRow {
  id: string;
  sink: string | null;
  filter: string | null;
  graph: string | null;
  label: string | null;
  last_id: string | null;
  rows: number;
}

function snapshotOf({ id, sink, filter, graph, label, last_id, rows }: SnapshotRow): Snapshot {
  return {
    id,
    ...(sink !== null && { sink }),
    ...(filter !== null && { filter }),
    ...(graph !== null && label !== null &&
      { cursor: { graph, label, ...(last_id !== null && { lastId: last_id }) } }),
    rows,
  };
}
