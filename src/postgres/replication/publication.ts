import { type GraphCatalog, hasReplicaIdentity, type PublishedTable } from "./graph_catalog.ts";
import { quoteName, quoteString, quoteTable } from "../connection/quote.ts";
import { replicaIdentityStatement } from "./replica_identity.ts";
import { follows, type ReplicationSettings } from "./replication_settings.ts";
import type { Role } from "./role.ts";
import { sqlState } from "../connection/sql_state.ts";
import type { Sql } from "../connection/sql.ts";

/** A publication as it stands in the catalog. */
export interface Publication {
  /** Another publication of the same name has another. */
  readonly oid: number;
  readonly name: string;
  readonly allTables: boolean;
  /** What it leaves out: any of `insert`, `update`, `delete`, `truncate`. */
  readonly omits: readonly string[];
  /** Tables of which it leaves out rows (`WHERE`) or columns. */
  readonly filtered: readonly string[];
  /** Every table that it publishes now, as `quoteTable` writes them. */
  readonly tables: ReadonlySet<string>;
  /** Schemas whose tables it publishes, later ones included (PostgreSQL 15 and later). */
  readonly schemas: ReadonlySet<string>;
  /** Made by this program, which then keeps it current; any other is taken as it is. */
  readonly managed: boolean;
  /** Whether this role may alter it. */
  readonly owned: boolean;
}

/** The comment that tells a publication of this program's own. */
const MARK = "Kept current by twinrouter";

/** Undefined if there is no such publication. */
export async function readPublication(sql: Sql, name: string): Promise<Publication | undefined> {
  const [row] = await sql<PublicationRow[]>`
    SELECT oid, puballtables AS all_tables, pubinsert AS insert, pubupdate AS update, pubdelete AS delete,
      pubtruncate AS truncate, pg_has_role(pubowner, 'USAGE') AS owned,
      obj_description(oid, 'pg_publication') IS NOT DISTINCT FROM ${MARK} AS managed
    FROM pg_publication WHERE pubname = ${name}`;
  if (!row) return undefined;
  const tables = await sql<{ schema: string; name: string }[]>`
    SELECT schemaname AS schema, tablename AS name FROM pg_publication_tables WHERE pubname = ${name}`;
  // As JSON, because filters and schemas came with PostgreSQL 15.
  const filtered = await sql<{ schema: string; name: string }[]>`
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_publication_rel p
    JOIN pg_class c ON c.oid = p.prrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.prpubid = ${row.oid} AND (to_jsonb(p) ->> 'prqual' IS NOT NULL OR to_jsonb(p) ->> 'prattrs' IS NOT NULL)`;
  const [hasSchemas] =
    await sql`SELECT FROM pg_class WHERE oid = to_regclass('pg_catalog.pg_publication_namespace')`;
  const schemas = hasSchemas
    ? await sql<{ schema: string }[]>`
      SELECT n.nspname AS schema FROM pg_publication_namespace p
      JOIN pg_namespace n ON n.oid = p.pnnspid WHERE p.pnpubid = ${row.oid}`
    : [];
  return {
    oid: row.oid,
    name,
    allTables: row.all_tables,
    omits: (["insert", "update", "delete", "truncate"] as const).filter((operation) => !row[operation]),
    filtered: filtered.map(quoteTable),
    tables: new Set(tables.map(quoteTable)),
    schemas: new Set(schemas.map(({ schema }) => schema)),
    managed: row.managed,
    owned: row.owned,
  };
}

/** Statements that create a publication, and why this role may not run them, if it may not. */
export interface PublicationPlan {
  readonly statements: readonly string[];
  readonly refusal?: string;
}

/** What is to be published, and by whom. */
export interface PublicationScope {
  /** The publication's name. */
  readonly name: string;
  readonly role: Role;
  /** As `server_version_num`. */
  readonly version: number;
  /** The label tables of every graph that is followed. */
  readonly labels: readonly PublishedTable[];
  /** `ag_catalog.ag_graph` and `ag_catalog.ag_label`, by which the stream itself tells of new graphs and labels. */
  readonly agCatalog: readonly PublishedTable[];
}

export function publicationScope(
  settings: ReplicationSettings,
  role: Role,
  version: number,
  { graphs, agCatalog }: GraphCatalog,
): PublicationScope {
  const labels = [...graphs].flatMap(([graph, tables]) => follows(settings, graph) ? tables : []);
  return { name: settings.publication, role, version, labels, agCatalog };
}

/**
 * How to create the publication, as narrow as it can be. A superuser publishes whole graphs (PostgreSQL 15 and later),
 * so that rows are published from a label's first on; anybody else lists the labels that there are. `FOR ALL TABLES` is
 * never made: a published table without a replica identity takes no UPDATE or DELETE any more.
 *
 * For that reason `ag_catalog` is never published as a schema either (with it on the search path, as AGE asks for,
 * people's own tables end up there), and its two tables only once they have a replica identity: AGE itself writes past
 * PostgreSQL's check, but `age_finish_pg_upgrade()` updates them by plain SQL.
 */
export function planCreation(scope: PublicationScope): PublicationPlan {
  const create = `CREATE PUBLICATION ${quoteName(scope.name)}`;
  const refusal = refusalOf(scope);
  if (refusal !== undefined) {
    const tables = [...scope.labels, ...scope.agCatalog];
    const identities = tables.filter(({ identity }) => identity !== "full").map(replicaIdentityStatement);
    const objects = publishedObjects(scope.labels, scope.agCatalog, scope.version >= SCHEMAS_SINCE);
    return { statements: [...identities, `${create}${objects && ` FOR ${objects}`}`], refusal };
  }
  const { labels, agCatalog } = publishable(scope);
  const objects = publishedObjects(labels, agCatalog, mayPublishSchemas(scope));
  return {
    statements: [
      `${create}${objects && ` FOR ${objects}`}`,
      `COMMENT ON PUBLICATION ${quoteName(scope.name)} IS ${quoteString(MARK)}`,
    ],
  };
}

/** What an existing publication lacks. */
export interface PublicationExtension {
  /** Statements that add what this role may add. */
  readonly statements: readonly string[];
  /** Labels that these statements publish. */
  readonly joining: readonly PublishedTable[];
  /** Labels that somebody else has to add. */
  readonly leftOut: readonly PublishedTable[];
}

/** How to bring an existing publication up to date; one that this program did not make is never touched. */
export function planExtension(publication: Publication, scope: PublicationScope): PublicationExtension {
  const lacking = (tables: readonly PublishedTable[]) =>
    tables.filter((table) => !publication.allTables && !publication.tables.has(quoteTable(table)));
  const missing = { ...scope, labels: lacking(scope.labels), agCatalog: lacking(scope.agCatalog) };
  if (!publication.managed || !publication.owned) {
    return { statements: [], joining: [], leftOut: missing.labels };
  }
  const { labels, agCatalog } = publishable(missing);
  const objects = publishedObjects(labels, agCatalog, mayPublishSchemas(scope));
  return {
    statements: objects ? [`ALTER PUBLICATION ${quoteName(publication.name)} ADD ${objects}`] : [],
    joining: labels,
    leftOut: missing.labels.filter((table) => !labels.includes(table)),
  };
}

/** What somebody who owns the publication and the tables runs instead. */
export function additionStatement(publication: Publication, labels: readonly PublishedTable[]): string {
  return `ALTER PUBLICATION ${quoteName(publication.name)} ADD ${publishedObjects(labels, [], false)}`;
}

/** Creates the publication; one that has appeared meanwhile is taken as it is. */
export async function createPublication(sql: Sql, plan: PublicationPlan): Promise<void> {
  try {
    // In one message, which is one transaction.
    await sql.unsafe(plan.statements.join("; "));
  } catch (error) {
    if (sqlState(error) !== "42710") throw error; // duplicate_object
  }
}

/** `FOR TABLES IN SCHEMA` came with this version. */
const SCHEMAS_SINCE = 150_000;

function mayPublishSchemas({ role, version }: PublicationScope): boolean {
  return role.isSuperuser && version >= SCHEMAS_SINCE;
}

/** Why this role cannot create the publication. */
function refusalOf({ role, labels }: PublicationScope): string | undefined {
  if (!role.mayCreate) return `role ${role.name} has no CREATE privilege on the database`;
  const foreign = labels.filter(({ owned }) => !owned);
  if (foreign.length === 0) return undefined;
  return `role ${role.name} does not own ${foreign.map(quoteTable).join(", ")}`;
}

/** The part that this role may publish, and that will still take updates then. */
function publishable(scope: PublicationScope): Pick<PublicationScope, "labels" | "agCatalog"> {
  return {
    labels: mayPublishSchemas(scope) ? scope.labels : scope.labels.filter(({ owned }) => owned),
    agCatalog: scope.agCatalog.filter((table) => table.owned && hasReplicaIdentity(table)),
  };
}

/** `TABLE ONLY "ag_catalog"."ag_label", TABLES IN SCHEMA "digitaltwins"`; empty if there is nothing. */
function publishedObjects(
  labels: readonly PublishedTable[],
  agCatalog: readonly PublishedTable[],
  bySchema: boolean,
): string {
  // Without ONLY, the base tables would bring every label that inherits from them along.
  const tables = [...agCatalog, ...(bySchema ? [] : labels)].map((table) => `ONLY ${quoteTable(table)}`);
  const schemas = bySchema ? [...new Set(labels.map(({ schema }) => schema))].map(quoteName) : [];
  const objects: string[] = [];
  if (tables.length > 0) objects.push(`TABLE ${tables.join(", ")}`);
  if (schemas.length > 0) objects.push(`TABLES IN SCHEMA ${schemas.join(", ")}`);
  return objects.join(", ");
}

interface PublicationRow {
  oid: number;
  all_tables: boolean;
  insert: boolean;
  update: boolean;
  delete: boolean;
  truncate: boolean;
  owned: boolean;
  managed: boolean;
}
