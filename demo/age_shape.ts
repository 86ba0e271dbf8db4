import type { Sql, TransactionSql } from "postgres";
import { quoteName, quoteString } from "../src/postgres/connection/quote.ts";

/** How a label's table is made. */
export interface LabelOptions {
  /** Default `default`, as AGE makes it: updates and deletes then carry no old row. */
  readonly replicaIdentity?: "default" | "full";
  /** Whether `id` is a primary key, as in AGE from 1.7 on; default false. */
  readonly primaryKey?: boolean;
}

/**
 * Gives a database the shape of Apache AGE, without AGE: the types, the catalogue, and graphs whose rows PostgreSQL
 * then sends by the same bytes. There is no Cypher: rows are written by SQL, with agtype as AGE prints it. What AGE
 * lacks and this has are casts between agtype and jsonb. Needs a superuser; once for a database.
 */
export async function createAgeShape(sql: Sql): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction.unsafe(SHAPE);
  });
}

// What comparing graphids and indexing them takes; graphid_btree_cmp and the rest are bigint's.
const GRAPHID_OPERATORS = [
  { name: "lt", sign: "<", commutator: ">", negator: ">=", strategy: 1 },
  { name: "le", sign: "<=", commutator: ">=", negator: ">", strategy: 2 },
  { name: "eq", sign: "=", commutator: "=", negator: "<>", strategy: 3 },
  { name: "ge", sign: ">=", commutator: "<=", negator: "<", strategy: 4 },
  { name: "gt", sign: ">", commutator: "<", negator: "<=", strategy: 5 },
  { name: "ne", sign: "<>", commutator: "<>", negator: "=" },
];
const GRAPHID_ORDER = [
  ...GRAPHID_OPERATORS.map(({ name, sign, commutator, negator }) => `
    CREATE FUNCTION graphid_${name}(graphid, graphid) RETURNS boolean
      LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8${name}';
    CREATE OPERATOR ${sign} (FUNCTION = graphid_${name}, LEFTARG = graphid, RIGHTARG = graphid,
      COMMUTATOR = OPERATOR(ag_catalog.${commutator}), NEGATOR = OPERATOR(ag_catalog.${negator}));`),
  `CREATE FUNCTION graphid_btree_cmp(graphid, graphid) RETURNS int
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'btint8cmp';
  CREATE OPERATOR CLASS graphid_ops DEFAULT FOR TYPE graphid USING btree AS FUNCTION 1 graphid_btree_cmp`,
  ...GRAPHID_OPERATORS.flatMap(({ sign, strategy }) =>
    strategy === undefined ? [] : [`, OPERATOR ${strategy} ${sign}`]
  ),
  ";",
].join("");

// The base types are PostgreSQL's bigint and text under other names; the rest follows age--1.6.0.sql.
const SHAPE = `
SET LOCAL client_min_messages = warning;
CREATE SCHEMA ag_catalog;
GRANT USAGE ON SCHEMA ag_catalog TO PUBLIC;
SET LOCAL search_path = ag_catalog;

CREATE TYPE graphid;
CREATE FUNCTION graphid_in(cstring) RETURNS graphid LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8in';
CREATE FUNCTION graphid_out(graphid) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8out';
CREATE TYPE graphid (INPUT = graphid_in, OUTPUT = graphid_out, LIKE = int8);
CREATE CAST (graphid AS bigint) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (bigint AS graphid) WITHOUT FUNCTION AS ASSIGNMENT;
${GRAPHID_ORDER}

CREATE TYPE agtype;
CREATE FUNCTION agtype_in(cstring) RETURNS agtype LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textin';
CREATE FUNCTION agtype_out(agtype) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textout';
CREATE TYPE agtype (INPUT = agtype_in, OUTPUT = agtype_out, LIKE = text);
CREATE CAST (agtype AS jsonb) WITH INOUT;
CREATE CAST (jsonb AS agtype) WITH INOUT AS ASSIGNMENT;

CREATE DOMAIN label_id AS int NOT NULL CHECK (VALUE > 0 AND VALUE <= 65535);
CREATE DOMAIN label_kind AS "char" NOT NULL CHECK (VALUE = 'v' OR VALUE = 'e');

CREATE TABLE ag_graph (graphid oid NOT NULL, name name NOT NULL, namespace regnamespace NOT NULL);
CREATE UNIQUE INDEX ag_graph_graphid_index ON ag_graph USING btree (graphid);
CREATE UNIQUE INDEX ag_graph_name_index ON ag_graph USING btree (name);
CREATE UNIQUE INDEX ag_graph_namespace_index ON ag_graph USING btree (namespace);

CREATE TABLE ag_label (
  name name NOT NULL,
  graph oid NOT NULL,
  id label_id,
  kind label_kind,
  relation regclass NOT NULL,
  seq_name name NOT NULL,
  CONSTRAINT fk_graph_oid FOREIGN KEY (graph) REFERENCES ag_graph (graphid)
);
CREATE UNIQUE INDEX ag_label_name_graph_index ON ag_label USING btree (name, graph);
CREATE UNIQUE INDEX ag_label_graph_oid_index ON ag_label USING btree (graph, id);
CREATE UNIQUE INDEX ag_label_relation_index ON ag_label USING btree (relation);
CREATE UNIQUE INDEX ag_label_seq_name_graph_index ON ag_label USING btree (seq_name, graph);
GRANT SELECT ON ag_graph, ag_label TO PUBLIC;
`;

/** Makes an empty graph: a schema with the tables of all vertices and all edges. What `create_graph(name)` does. */
export async function createGraph(sql: Sql, graph: string): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`CREATE SCHEMA ${transaction(graph)}`;
    await transaction`CREATE SEQUENCE ${transaction(graph)}._label_id_seq AS int MAXVALUE 65535 CYCLE`;
    await transaction`
      INSERT INTO ag_catalog.ag_graph (graphid, name, namespace)
      SELECT oid, nspname, oid FROM pg_namespace WHERE nspname = ${graph}`;
    await createLabel(transaction, graph, { name: ALL_VERTICES, kind: "v" });
    await createLabel(transaction, graph, { name: ALL_EDGES, kind: "e" });
  });
}

/** Makes a label for vertices: a table in the graph's schema. What `create_vlabel(graph, label)` does. */
export async function createVertexLabel(
  sql: Sql,
  graph: string,
  label: string,
  options: LabelOptions = {},
): Promise<void> {
  await sql.begin((transaction) =>
    createLabel(transaction, graph, { ...options, name: label, kind: "v", parent: ALL_VERTICES })
  );
}

/** Makes a label for edges: a table in the graph's schema. What `create_elabel(graph, label)` does. */
export async function createEdgeLabel(
  sql: Sql,
  graph: string,
  label: string,
  options: LabelOptions = {},
): Promise<void> {
  await sql.begin((transaction) =>
    createLabel(transaction, graph, { ...options, name: label, kind: "e", parent: ALL_EDGES })
  );
}

const ALL_VERTICES = "_ag_label_vertex";
const ALL_EDGES = "_ag_label_edge";

interface Label extends LabelOptions {
  readonly name: string;
  readonly kind: "v" | "e";
  readonly parent?: string;
}

async function createLabel(sql: TransactionSql, graph: string, label: Label): Promise<void> {
  const table = sql`${sql(graph)}.${sql(label.name)}`;
  const sequence = `${label.name}_id_seq`;
  const [next] = await sql<{ id: number }[]>`SELECT nextval(${`${
    quoteName(graph)
  }._label_id_seq`}::regclass)::int AS id`;
  if (next === undefined) throw new Error(`Cannot create the label ${label.name}: no id`);
  await sql`CREATE SEQUENCE ${sql(graph)}.${sql(sequence)} MAXVALUE 281474976710655`;
  const columns = label.kind === "v"
    ? sql`id ag_catalog.graphid NOT NULL, properties ag_catalog.agtype NOT NULL`
    : sql`id ag_catalog.graphid NOT NULL, start_id ag_catalog.graphid NOT NULL, end_id ag_catalog.graphid NOT NULL,
        properties ag_catalog.agtype NOT NULL`;
  if (label.parent === undefined) await sql`CREATE TABLE ${table} (${columns})`;
  else await sql`CREATE TABLE ${table} () INHERITS (${sql(graph)}.${sql(label.parent)})`;
  // A graphid is the label's id above 48 bits of the row's number.
  const firstId = String(BigInt(next.id) << 48n);
  const rowNumber = quoteString(`${quoteName(graph)}.${quoteName(sequence)}`);
  await sql`ALTER TABLE ${table} ALTER COLUMN id
    SET DEFAULT (${sql.unsafe(`${firstId} | nextval(${rowNumber}::regclass)`)})::ag_catalog.graphid`;
  await sql`ALTER TABLE ${table} ALTER COLUMN properties SET DEFAULT '{}'`;
  await sql`ALTER SEQUENCE ${sql(graph)}.${sql(sequence)} OWNED BY ${sql(graph)}.${sql(label.name)}.id`;
  if (label.primaryKey === true) await sql`ALTER TABLE ${table} ADD PRIMARY KEY (id)`;
  if (label.replicaIdentity === "full") await sql`ALTER TABLE ${table} REPLICA IDENTITY FULL`;
  await sql`
    INSERT INTO ag_catalog.ag_label (name, graph, id, kind, relation, seq_name)
    SELECT ${label.name}, graphid, ${next.id}, ${label.kind}, ${`${quoteName(graph)}.${
    quoteName(label.name)
  }`}::regclass,
      ${sequence}
    FROM ag_catalog.ag_graph WHERE name = ${graph}`;
}
