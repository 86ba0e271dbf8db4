import { messageOf } from "../../observe/message_of.ts";
import { quoteTable } from "../connection/quote.ts";
import type { Sql } from "../connection/sql.ts";
import { sqlState } from "../connection/sql_state.ts";
import type { Finding } from "./finding.ts";
import { readGraphCatalog } from "./graph_catalog.ts";
import { follows, type ReplicationSettings } from "./replication_settings.ts";

/** What a label of one graph holds. */
export interface LabelRows {
  readonly graph: string;
  /** Of each row, agtype as PostgreSQL writes it. */
  readonly properties: readonly string[];
}

/**
 * Reads the rows of the label of that name in each graph that is followed, as they are now; a graph without it has none.
 * What the server refuses, for want of a privilege for instance, is told to `onRefused`, and that graph passed over.
 * Throws when the connection is lost.
 */
export async function* readLabelRows(
  sql: Sql,
  settings: ReplicationSettings,
  label: string,
  onRefused: (finding: Finding) => void,
): AsyncGenerator<LabelRows> {
  const { graphs } = await readGraphCatalog(sql);
  for (const [graph, tables] of graphs) {
    if (!follows(settings, graph)) continue;
    if (!tables.some(({ name }) => name === label)) {
      yield { graph, properties: [] };
      continue;
    }
    const table = quoteTable({ schema: graph, name: label });
    let rows: readonly { properties: string }[];
    try {
      rows = await sql.unsafe(`SELECT properties FROM ONLY ${table}`);
    } catch (error) {
      if (sqlState(error) === undefined) throw error;
      onRefused({
        severity: "warning",
        about: "role",
        problem: `Cannot read ${graph}.${label}: ${messageOf(error)}`,
        remedy: `GRANT SELECT ON ${table} TO this router's role.`,
      });
      continue;
    }
    yield { graph, properties: rows.map(({ properties }) => properties) };
  }
}
