import type { GraphState } from "./random_history.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * What data history is for, asked of the rows as one would ask Kusto: the graph at a time, and the last value of each of
 * its properties.
 *
 *     AdtTwinLifeCycleEvents | where TimeStamp <= at
 *     | summarize arg_max(TimeStamp, Action, ModelId) by TwinId | where Action != "Delete"
 *
 *     AdtPropertyEvents | where TimeStamp <= at
 *     | summarize arg_max(TimeStamp, Value, Action) by Id, RelationshipId, Key | where Action != "Delete"
 *
 * and likewise the relationships, by source and id. Of what was deleted and made again, the properties from before are
 * left out: those older than the last `Create`.
 */
export function graphAt(
  at: string,
  tables: {
    readonly twins: readonly Row[];
    readonly relationships: readonly Row[];
    readonly properties: readonly Row[];
  },
): GraphState {
  const twins = latest(tables.twins, at, ({ TwinId }) => `${TwinId}`);
  const relationships = latest(
    tables.relationships,
    at,
    ({ Source, RelationshipId }) => `${Source}/${RelationshipId}`,
  );
  const begun = new Map<string, string>();
  const note = (row: Row, id: string) => {
    if (row["Action"] === "Create" && timeOf(row) <= at) begun.set(id, later(begun.get(id), timeOf(row)));
  };
  for (const row of tables.twins) note(row, `${row["TwinId"]}/`);
  for (const row of tables.relationships) note(row, `${row["Source"]}/${row["RelationshipId"]}`);
  const values = latest(
    tables.properties.filter((row) => timeOf(row) >= (begun.get(ownerOf(row)) ?? "")),
    at,
    (row) => JSON.stringify([ownerOf(row), row["Key"]]),
  );
  const properties: Record<string, Record<string, unknown>> = {};
  for (const row of values.values()) (properties[ownerOf(row)] ??= {})[String(row["Key"])] = row["Value"];
  return {
    twins: Object.fromEntries(
      [...twins].map(([id, row]) => [
        id,
        { modelId: String(row["ModelId"]), properties: properties[`${id}/`] ?? {} },
      ]),
    ),
    relationships: Object.fromEntries(
      [...relationships].map(([id, row]) => [
        id,
        { target: String(row["Target"]), properties: properties[id] ?? {} },
      ]),
    ),
  };
}

function latest(rows: readonly Row[], at: string, keyOf: (row: Row) => string): Map<string, Row> {
  const last = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    const before = last.get(key);
    if (timeOf(row) <= at && (!before || timeOf(row) >= timeOf(before))) last.set(key, row);
  }
  return new Map([...last].filter(([, row]) => row["Action"] !== "Delete"));
}

/** All of one length, so that their texts are in the order of their times. */
function timeOf(row: Row): string {
  return String(row["TimeStamp"]);
}

function ownerOf(row: Row): string {
  return `${row["Id"]}/${row["RelationshipId"]}`;
}

function later(a: string | undefined, b: string): string {
  return a !== undefined && a > b ? a : b;
}
