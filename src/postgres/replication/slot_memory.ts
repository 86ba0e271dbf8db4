import type { Log } from "../../observe/log.ts";
import { messageOf } from "../../observe/message_of.ts";
import type { Sql } from "../connection/sql.ts";
import { sqlState } from "../connection/sql_state.ts";
import { CREATE_EVENTING_SCHEMA, makeEventingTables } from "../eventing_schema.ts";
import { formatLsn, type Lsn, parseLsn } from "../lsn.ts";

/** What a stream knows of the time before a connection. */
export interface Earlier {
  /** Everything before it was settled. */
  readonly confirmed: Lsn;
  /** The publication's OID: another one of the same name has not published what was written before it. */
  readonly publication: number | undefined;
}

/** What a server says to a role that may not. */
const INSUFFICIENT_PRIVILEGE = "42501";

/** The SQL that makes the table, in its schema. */
const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS digitaltwins_eventing.slots (
  slot text PRIMARY KEY,
  confirmed text NOT NULL,
  publication bigint,
  seen_at timestamptz NOT NULL DEFAULT now()
)`,
  "ALTER TABLE digitaltwins_eventing.slots ADD COLUMN IF NOT EXISTS system_identifier text",
];

/**
 * That there has been a slot, kept in the database: so that a router that finds none knows a loss from a beginning. A role
 * that may not keep it is told so once, and goes without.
 */
export class SlotMemory {
  readonly #slot: string;
  readonly #log: Log;
  #isRefused = false;

  constructor(slot: string, log: Log) {
    this.#slot = slot;
    this.#log = log;
  }

  /**
   * What is known in this database cluster. What was kept in another one, which this was restored from, says only that
   * there has been a slot. Throws if that cannot be found out now: a loss would be taken for a beginning.
   */
  async recall(sql: Sql, systemIdentifier: string): Promise<Earlier | undefined> {
    // By the catalogue, since whoever names a table in a schema that he may not use is refused, even if it is not there.
    const [table] = await sql`
      SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'digitaltwins_eventing' AND c.relname = 'slots'`;
    if (!table) return undefined;
    try {
      const [row] = await sql<{ confirmed: string; publication: number | null; cluster: string | null }[]>`
        SELECT confirmed, publication::float8 AS publication, to_jsonb(s) ->> 'system_identifier' AS cluster
        FROM digitaltwins_eventing.slots s WHERE slot = ${this.#slot}`;
      if (!row) return undefined;
      const { confirmed, publication, cluster } = row;
      if (cluster !== null && cluster !== systemIdentifier) return { confirmed: 0n, publication: undefined };
      return { confirmed: parseLsn(confirmed), publication: publication ?? undefined };
    } catch (error) {
      if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
      this.#refuse(error);
      return undefined;
    }
  }

  /** @param systemIdentifier of the cluster where it was so */
  async keep(sql: Sql, systemIdentifier: string, { confirmed, publication }: Earlier): Promise<void> {
    try {
      const [table] = await sql<{ exists: boolean }[]>`
        SELECT EXISTS (
          SELECT FROM pg_attribute WHERE attrelid = to_regclass('digitaltwins_eventing.slots')
            AND attname = 'system_identifier'
        ) AS exists`;
      if (!table?.exists) await makeEventingTables(sql, STATEMENTS);
      await sql`
        INSERT INTO digitaltwins_eventing.slots (slot, confirmed, publication, system_identifier)
        VALUES (${this.#slot}, ${formatLsn(confirmed)}, ${publication ?? null}, ${systemIdentifier})
        ON CONFLICT (slot) DO UPDATE
          SET confirmed = excluded.confirmed, publication = excluded.publication,
            system_identifier = excluded.system_identifier, seen_at = now()`;
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#log.warn(
      `Cannot remember slot ${this.#slot}: ${
        messageOf(error)
      }. If it is dropped while no router runs, that is not ` +
        `noticed. Run as a superuser, and grant USAGE of the schema, and SELECT, INSERT and UPDATE, to this router's role:\n${CREATE_EVENTING_SCHEMA};\n${
          STATEMENTS.join(";\n")
        };`,
    );
  }
}
