import type { PublishedTable } from "./graph_catalog.ts";
import { quoteTable } from "../connection/quote.ts";
import { sqlState } from "../connection/sql_state.ts";
import type { Sql } from "../connection/sql.ts";

/**
 * - `set`: updates and deletes carry the whole old row from now on (or the table is gone).
 * - `busy`: a transaction holds the table; to be tried again.
 * - `refused`: somebody else has to do it.
 */
export type IdentityResult =
  | { readonly kind: "set" }
  | { readonly kind: "busy" }
  | { readonly kind: "refused"; readonly reason: string };

/** What somebody who owns the table runs instead. */
export function replicaIdentityStatement(table: PublishedTable): string {
  return `ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY FULL`;
}

/**
 * Sets REPLICA IDENTITY FULL. That takes the table's strongest lock, and writers queue behind whoever waits for it;
 * so it waits for a second at most.
 */
export async function setReplicaIdentity(sql: Sql, table: PublishedTable): Promise<IdentityResult> {
  if (!table.owned) return { kind: "refused", reason: "this role does not own the table" };
  if (table.columnListIn !== undefined) {
    const reason =
      `publication ${table.columnListIn} publishes it by a list of columns, with which it takes no ` +
      "updates then";
    return { kind: "refused", reason };
  }
  try {
    // In one message, which is one transaction.
    await sql.unsafe(`SET LOCAL lock_timeout = '1s'; ${replicaIdentityStatement(table)}`);
    return { kind: "set" };
  } catch (error) {
    switch (sqlState(error)) {
      case "55P03": // lock_not_available
      case "40P01": // deadlock_detected
        return { kind: "busy" };
      case "42P01": // undefined_table
      case "3F000": // invalid_schema_name
        return { kind: "set" };
      case "42501": // insufficient_privilege
      case "25006": // read_only_sql_transaction
        return { kind: "refused", reason: (error as Error).message };
      default:
        throw error;
    }
  }
}
