import { structuredJson } from "../../src/sink/encode.ts";
import { parseKeepingDigits } from "../../src/sink/parse_digits.ts";
import type { CloudEvent } from "../../src/sink/sink.ts";
import type { Table, Tables } from "./tables.ts";

/** A row of a table, as JSON on one line. */
export interface TableRow {
  readonly table: Table;
  readonly json: string;
}

/** ADT's words for what happens to a property. */
const ACTIONS: Readonly<Record<string, string>> = { Add: "Create", Replace: "Update", Remove: "Delete" };

/**
 * The row that an event becomes; undefined where no table has columns for it. Data history is known by its members, not
 * by the event's type, which a route can rename. Numbers keep their digits.
 */
export function rowOf(event: CloudEvent, tables: Tables, withEventId: boolean): TableRow | undefined {
  // All data history has these; most else is told apart without being parsed.
  const body = event.data.includes('"serviceId"') && event.data.includes('"timeStamp"')
    ? membersOf(parseKeepingDigits(event.data))
    : undefined;
  const history = body && historyRow(body, tables);
  if (history) {
    const row = withEventId ? { ...history.row, eventId: event.id } : history.row;
    return { table: history.table, json: JSON.stringify(row) };
  }
  return tables.raw && { table: tables.raw, json: structuredJson(event) };
}

type Members = Readonly<Record<string, unknown>>;

function historyRow(body: Members, tables: Tables): { table: Table; row: Members } | undefined {
  if (typeof body["serviceId"] !== "string" || typeof body["timeStamp"] !== "string") return undefined;
  const { operation, action } = body;
  if (typeof operation === "string" && typeof body["propertyName"] === "string") {
    return { table: tables.properties, row: propertyRow(body, ACTIONS[operation] ?? operation) };
  }
  if (typeof action !== "string") return undefined;
  // With the preset `adt`, a body has the row's members already.
  if (typeof body["key"] === "string" && "value" in body) return { table: tables.properties, row: body };
  if (typeof body["twinId"] === "string") return { table: tables.twins, row: body };
  if (typeof body["relationshipId"] === "string") return { table: tables.relationships, row: body };
  return undefined;
}

function propertyRow(body: Members, action: string): Members {
  return {
    timeStamp: body["timeStamp"],
    sourceTimeStamp: body["sourceTimeStamp"],
    serviceId: body["serviceId"],
    id: body["twinId"],
    modelId: body["modelId"],
    key: body["propertyName"],
    value: body["propertyValue"],
    relationshipTarget: body["relationshipTarget"],
    relationshipId: body["relationshipId"],
    action,
    updatedBy: body["updatedBy"],
  };
}

function membersOf(value: unknown): Members | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Members : undefined;
}
