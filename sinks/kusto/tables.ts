import { JsonColumnMapping } from "azure-kusto-ingest";
import type { KustoOptions } from "./config.ts";

export interface Column {
  readonly name: string;
  readonly type: "string" | "datetime" | "dynamic" | "bool";
  /** The member of a row that it is filled from. */
  readonly member: string;
}

/** A table, and by its columns the mapping that fills it from rows. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
}

export interface Tables {
  readonly properties: Table;
  readonly twins: Table;
  readonly relationships: Table;
  /** For whole events. */
  readonly raw: Table | undefined;
}

/** The name of the mapping in each table. */
export const MAPPING = "twinrouter";

/**
 * Azure Digital Twins' three tables, with its columns, and members as AgeDigitalTwins writes them; and that for whole
 * events, which is filled from CloudEvents' JSON format.
 * @see https://learn.microsoft.com/azure/digital-twins/concepts-data-history#data-schema
 */
export function tablesOf(options: KustoOptions): Tables {
  const { eventIdColumn } = options;
  const own: readonly Column[] = eventIdColumn === undefined
    ? []
    : [{ name: eventIdColumn, type: "string", member: "eventId" }];
  return {
    properties: {
      name: options.propertyEventsTable,
      columns: [
        column("TimeStamp", "datetime"),
        column("SourceTimeStamp", "datetime"),
        column("ServiceId"),
        column("Id"),
        column("ModelId"),
        column("Key"),
        column("Value", "dynamic"),
        column("RelationshipTarget"),
        column("RelationshipId"),
        column("Action"),
        column("UpdatedBy"),
        ...own,
      ],
    },
    twins: {
      name: options.twinLifeCycleEventsTable,
      columns: [
        column("TwinId"),
        column("Action"),
        column("TimeStamp", "datetime"),
        column("ServiceId"),
        column("ModelId"),
        ...own,
      ],
    },
    relationships: {
      name: options.relationshipLifeCycleEventsTable,
      columns: [
        column("RelationshipId"),
        column("Name"),
        column("Action"),
        column("TimeStamp", "datetime"),
        column("ServiceId"),
        column("Source"),
        column("Target"),
        ...own,
      ],
    },
    raw: options.rawTable === undefined ? undefined : {
      name: options.rawTable,
      columns: [
        { name: "Time", type: "datetime", member: "time" },
        { name: "Type", type: "string", member: "type" },
        { name: "Source", type: "string", member: "source" },
        { name: "Subject", type: "string", member: "subject" },
        { name: "Id", type: "string", member: "id" },
        { name: "DataSchema", type: "string", member: "dataschema" },
        { name: "PartitionKey", type: "string", member: "partitionkey" },
        { name: "Sequence", type: "string", member: "sequence" },
        { name: "TraceParent", type: "string", member: "traceparent" },
        { name: "Snapshot", type: "bool", member: "snapshot" },
        { name: "Data", type: "dynamic", member: "data" },
      ],
    },
  };
}

function column(name: string, type: Column["type"] = "string"): Column {
  return { name, type, member: `${name.charAt(0).toLowerCase()}${name.slice(1)}` };
}

/** Makes the table, or adds what columns it lacks. */
export function createTable({ name, columns }: Table): string {
  const list = columns.map((column) => `${identifier(column.name)}:${column.type}`).join(", ");
  return `.create-merge table ${identifier(name)} (${list})`;
}

/** Makes the mapping, or replaces it. */
export function createMapping(table: Table): string {
  return `.create-or-alter table ${identifier(table.name)} ingestion json mapping ${literal(MAPPING)} ` +
    literal(JSON.stringify(mappingOf(table).map((column) => column.toApiMapping())));
}

/** The mapping itself. */
export function mappingOf({ columns }: Table): JsonColumnMapping[] {
  return columns.map(({ name, type, member }) => JsonColumnMapping.withPath(name, `$.${member}`, type));
}

/** Words need no quotes, and read better without. */
function identifier(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `[${literal(name)}]`;
}

function literal(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
