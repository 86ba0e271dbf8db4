import { quoteName } from "../../postgres/connection/quote.ts";
import type { Sql } from "../../postgres/connection/sql.ts";
import { CREATE_EVENTING_SCHEMA, mayMakeEventingTables } from "../../postgres/eventing_schema.ts";
import { readRole } from "../../postgres/replication/role.ts";

/**
 * The SQL that makes the store, in its schema. The columns of `dead_letter_queue` up to `status` are AgeDigitalTwins' own, whose users
 * read on as before; it may have made the table itself.
 */
export const STORE_STATEMENTS: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS digitaltwins_eventing.dead_letter_queue (
  id serial PRIMARY KEY,
  event_id uuid NOT NULL,
  sink_name text NOT NULL,
  event_type text,
  payload jsonb NOT NULL,
  error_message text,
  error_stack text,
  retry_count int DEFAULT 0,
  failed_at timestamptz DEFAULT now(),
  last_attempt_at timestamptz,
  status text DEFAULT 'pending'
)`,
  `ALTER TABLE digitaltwins_eventing.dead_letter_queue
  ADD COLUMN IF NOT EXISTS slot text,
  ADD COLUMN IF NOT EXISTS route text,
  ADD COLUMN IF NOT EXISTS error_kind text,
  ADD COLUMN IF NOT EXISTS first_attempt_at timestamptz,
  ADD COLUMN IF NOT EXISTS graph text,
  ADD COLUMN IF NOT EXISTS event text`,
  "CREATE INDEX IF NOT EXISTS idx_dlq_status ON digitaltwins_eventing.dead_letter_queue (status)",
  "CREATE INDEX IF NOT EXISTS idx_dlq_sink ON digitaltwins_eventing.dead_letter_queue (sink_name)",
  `CREATE TABLE IF NOT EXISTS digitaltwins_eventing.outbox (
  slot text NOT NULL,
  sink text NOT NULL,
  number bigint NOT NULL,
  route text NOT NULL,
  graph text NOT NULL,
  committed_at float8 NOT NULL,
  parked_at float8 NOT NULL,
  bytes int NOT NULL,
  event text NOT NULL,
  PRIMARY KEY (slot, sink, number)
)`,
  `CREATE TABLE IF NOT EXISTS digitaltwins_eventing.checkpoints (
  slot text NOT NULL,
  sink text NOT NULL,
  system_identifier text NOT NULL,
  timeline int NOT NULL,
  sequence text NOT NULL,
  last text NOT NULL,
  saved_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (slot, sink)
)`,
];

/** The tables, and the newest column of each. */
const TABLES: Readonly<Record<string, string>> = {
  dead_letter_queue: "graph",
  outbox: "event",
  checkpoints: "last",
};

/** What `role` needs in a store that somebody else has made. */
export function storeGrants(quotedRole: string): readonly string[] {
  const tables = Object.keys(TABLES).map((name) => `digitaltwins_eventing.${name}`);
  return [
    `GRANT USAGE ON SCHEMA digitaltwins_eventing TO ${quotedRole}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${tables.join(", ")} TO ${quotedRole}`,
    `GRANT USAGE ON SEQUENCE digitaltwins_eventing.dead_letter_queue_id_seq TO ${quotedRole}`,
  ];
}

export interface StoreState {
  /** Whether all of it is there. */
  readonly exists: boolean;
  /** Whether this role may use it as it is, or make what is missing. */
  readonly usable: boolean;
  /** What to run where it is not. */
  readonly remedy: readonly string[];
  readonly role: string;
}

export async function readStoreState(sql: Sql): Promise<StoreState> {
  const role = await readRole(sql);
  // By the catalogue, since what is in a schema that one may not use is not found by its name.
  const rows = await sql<{ name: string; writable: boolean; columns: string[]; owned: boolean }[]>`
    SELECT c.relname AS name, pg_has_role(c.relowner, 'USAGE') AS owned,
      has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
      AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
      AND has_table_privilege(c.oid, 'DELETE') AND NOT EXISTS (
        SELECT FROM pg_class s WHERE s.relnamespace = n.oid AND s.relname = c.relname || '_id_seq'
          AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
      ) AS writable,
      (SELECT to_json(array_agg(attname)) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'digitaltwins_eventing' AND c.relkind = 'r'`;
  const mayMakeTables = await mayMakeEventingTables(sql);
  const tables = new Map(rows.map((row) => [row.name, row]));
  const missing = Object.entries(TABLES).filter(([name, column]) =>
    !tables.get(name)?.columns.includes(column)
  );
  const mayMake = missing.every(([name]) => {
    const table = tables.get(name);
    return table ? table.owned : mayMakeTables;
  });
  const mayWrite = Object.keys(TABLES).every((name) => tables.get(name)?.writable ?? true);
  const exists = missing.length === 0;
  return {
    exists,
    usable: mayMake && mayWrite,
    remedy: [
      ...(exists ? [] : [CREATE_EVENTING_SCHEMA, ...STORE_STATEMENTS]),
      ...storeGrants(quoteName(role.name)),
    ],
    role: role.name,
  };
}
