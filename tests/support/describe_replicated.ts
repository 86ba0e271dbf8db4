import type { Replicated, RowChange } from "../../src/postgres/row_change.ts";
import type { Tuple } from "../../src/postgres/wal_message.ts";
import { columnsOf } from "./pgoutput_builder.ts";

/**
 * A line for each item, so that a test can say what it expects at a glance: `begin`,
 * `update 1 Twin: old room-a, new room-a`, `settle`. A row is told by `nameOf`.
 */
export function describeReplicated(items: readonly Replicated[]): string[] {
  return items.map((item) => {
    switch (item.kind) {
      case "begin":
        return "begin";
      case "settle":
        return item.endsTransaction ? "settle" : "settle message";
      case "truncate":
        return `truncate ${item.ordinal} ${item.relations.map(({ name }) => name).join(", ")}`;
      case "message": {
        const content = new TextDecoder().decode(item.message.content);
        const id = /"messageId":"([^"]*)"/.exec(content)?.[1];
        return `message ${item.ordinal} ${item.message.prefix} ${id ?? content}`;
      }
      case "insert":
      case "update":
      case "delete": {
        const rows = Object.entries(tuplesOf(item)).map(([role, tuple]) => `${role} ${nameOf(tuple)}`);
        return `${item.kind} ${item.ordinal} ${item.relation.name}: ${rows.join(", ")}`;
      }
      default:
        return item satisfies never;
    }
  });
}

export function rowsOf(items: readonly Replicated[]): RowChange[] {
  return items.flatMap((item) =>
    item.kind === "insert" || item.kind === "update" || item.kind === "delete" ? [item] : []
  );
}

function tuplesOf(row: RowChange): Record<string, Tuple> {
  return {
    ...("old" in row && row.old && { old: row.old }),
    ...("key" in row && row.key && { key: row.key }),
    ...("new" in row && { new: row.new }),
  };
}

/** The items with the columns of their rows written out, so that they can be compared. */
export function withColumns(items: readonly Replicated[]): object[] {
  return items.map((item) => {
    if (!("relation" in item)) return item;
    const rows = Object.entries(tuplesOf(item)).map(([role, tuple]) => [role, columnsOf(tuple)]);
    return { ...item, ...Object.fromEntries(rows) };
  });
}

/** What the row is known by, `?` when its properties have no such member; all columns where there are no properties. */
export function nameOf(tuple: Tuple | undefined): string {
  const columns = tuple ? columnsOf(tuple) : [];
  const properties = columns.find((column) => typeof column === "string" && column.startsWith("{"));
  if (typeof properties !== "string") {
    return columns.map((column) => column === undefined ? "unchanged" : `${column}`).join("|");
  }
  return /"(?:\$dtId|\$relationshipId|id)": "([^"]*)"/.exec(properties)?.[1] ?? "?";
}
