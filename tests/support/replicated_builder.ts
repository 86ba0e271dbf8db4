import type { Relation, Replicated, RowChange } from "../../src/postgres/row_change.ts";
import type { ReplicaIdentity } from "../../src/postgres/wal_message.ts";
import { BuiltTuple, type ColumnValue } from "./pgoutput_builder.ts";

/** A column by name and type: `id: "ag_catalog.graphid"`, or undefined for a built-in type. */
type Columns = Readonly<Record<string, string | undefined>>;

export const vertexColumns: Columns = { id: "ag_catalog.graphid", properties: "ag_catalog.agtype" };
export const edgeColumns: Columns = {
  id: "ag_catalog.graphid",
  start_id: "ag_catalog.graphid",
  end_id: "ag_catalog.graphid",
  properties: "ag_catalog.agtype",
};

let nextOid = 20_000;

/** A table as its relation message describes it. */
export function table(
  namespace: string,
  name: string,
  columns: Columns,
  { oid = nextOid++, replicaIdentity = "full" as ReplicaIdentity } = {},
): Relation {
  return {
    oid,
    namespace,
    name,
    replicaIdentity,
    columns: Object.keys(columns).map((name) => ({ name, partOfKey: true, typeOid: 25, typeModifier: -1 })),
    typeNames: Object.values(columns),
  };
}

export const Twin = table("digitaltwins", "Twin", vertexColumns);
export const Model = table("digitaltwins", "Model", vertexColumns);
export const contains = table("digitaltwins", "contains", edgeColumns);
export const hasComponent = table("digitaltwins", "_hasComponent", edgeColumns);
export const agLabel = table("ag_catalog", "ag_label", { name: undefined, graph: undefined });
export const orders = table("public", "orders", { id: undefined, note: undefined });

/** A row message that is still to get its ordinal. */
export type Step = (ordinal: number) => Replicated;

/** Properties as agtype text, an object, `undefined` for unchanged TOAST, or null. */
export type Properties = string | object | undefined | null;

export function inserted(relation: Relation, id: number, properties: Properties): Step {
  return (ordinal) => ({ kind: "insert", relation, ordinal, new: row(relation, id, properties) });
}

/** Without `old` as a label without REPLICA IDENTITY FULL sends it. */
export function updated(relation: Relation, id: number, old: Properties | "unsent", now: Properties): Step {
  return (ordinal): RowChange => ({
    kind: "update",
    relation,
    ordinal,
    ...(old !== "unsent" && { old: row(relation, id, old) }),
    new: row(relation, id, now),
  });
}

/** With "unsent" properties as a label with no more than a primary key sends it. */
export function deleted(relation: Relation, id: number, old: Properties | "unsent"): Step {
  return (ordinal): RowChange => ({
    kind: "delete",
    relation,
    ordinal,
    ...(old === "unsent" ? { key: row(relation, id, null) } : { old: row(relation, id, old) }),
  });
}

export function truncated(...relations: readonly Relation[]): Step {
  return (ordinal) => ({ kind: "truncate", relations, ordinal });
}

export function message(prefix: string, content: string, transactional = true): Step {
  return (ordinal) => ({
    kind: "message",
    ordinal,
    message: {
      kind: "message",
      transactional,
      lsn: 1n,
      prefix,
      content: new TextEncoder().encode(content),
    },
  });
}

/** A committed transaction of the steps, which are numbered as pgoutput's messages are. */
export function transaction(
  steps: readonly Step[],
  { xid = 7, commitLsn = 0x1_0000_0000n, commitTime = 820_584_000_123_456n } = {},
): Replicated[] {
  return [
    { kind: "begin", transaction: { xid, commitLsn, commitTime } },
    ...steps.map((step, ordinal) => step(ordinal)),
    { kind: "settle", lsn: commitLsn + 0x30n, endsTransaction: true },
  ];
}

function row(relation: Relation, id: number, properties: Properties): BuiltTuple {
  const sent = typeof properties === "object" && properties !== null
    ? JSON.stringify(properties)
    : properties;
  return new BuiltTuple(relation.columns.map(({ name }): ColumnValue => {
    if (name === "id") return `${id}`;
    return name === "properties" ? sent : "1";
  }));
}
