import type { Relation } from "../postgres/row_change.ts";

/** A label of a graph, as its table says. */
export interface Label {
  readonly graph: string;
  readonly name: string;
  /** The table's OID, which stays when a `Relation` is sent anew. */
  readonly oid: number;
  readonly kind: "vertex" | "edge";
  /** Whether its vertices can be models. */
  readonly holdsModels: boolean;
  /** Positions of columns. */
  readonly idColumn: number;
  readonly propertiesColumn: number;
}

/** Why a table's rows are nobody's: AGE's catalogue, no label's table, or a graph that is not wanted. */
export type NotALabel = "catalog" | "other_table" | "other_graph";

/** Says which tables are labels; decided once for each `Relation`. */
export class Labels {
  readonly #graphs: ReadonlySet<string> | undefined;
  readonly #known = new WeakMap<Relation, Label | NotALabel>();

  /** Without `graphs`, every graph is wanted. */
  constructor(graphs?: readonly string[]) {
    this.#graphs = graphs && new Set(graphs);
  }

  /** Whether a graph of this name would be wanted. */
  wantsGraph(graph: string): boolean {
    return this.#graphs?.has(graph) ?? true;
  }

  of(relation: Relation): Label | NotALabel {
    let label = this.#known.get(relation);
    if (label === undefined) this.#known.set(relation, label = this.#recognise(relation));
    return label;
  }

  /**
   * AGE keeps a graph in a schema of its name and a label in a table of its: `(id graphid, properties agtype)` for
   * vertices, with `start_id` and `end_id` for edges. Other columns are tolerated.
   */
  #recognise(relation: Relation): Label | NotALabel {
    if (relation.namespace === "ag_catalog") return "catalog";
    const idColumn = columnOf(relation, "id", "graphid");
    const propertiesColumn = columnOf(relation, "properties", "agtype");
    if (idColumn < 0 || propertiesColumn < 0) return "other_table";
    if (!this.wantsGraph(relation.namespace)) return "other_graph";
    const isEdge = columnOf(relation, "start_id", "graphid") >= 0 &&
      columnOf(relation, "end_id", "graphid") >= 0;
    return {
      graph: relation.namespace,
      name: relation.name,
      oid: relation.oid,
      kind: isEdge ? "edge" : "vertex",
      holdsModels: relation.name === "Model",
      idColumn,
      propertiesColumn,
    };
  }
}

function columnOf(relation: Relation, name: string, type: string): number {
  return relation.columns.findIndex((column, index) =>
    column.name === name && relation.typeNames[index] === `ag_catalog.${type}`
  );
}
