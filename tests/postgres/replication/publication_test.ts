import assert from "node:assert/strict";
import type { PublishedTable } from "../../../src/postgres/replication/graph_catalog.ts";
import {
  planCreation,
  planExtension,
  type Publication,
  type PublicationScope,
} from "../../../src/postgres/replication/publication.ts";

function table(schema: string, name: string, changed: Partial<PublishedTable> = {}): PublishedTable {
  return {
    schema,
    name,
    identity: "full",
    hasPrimaryKey: false,
    owned: true,
    columnListIn: undefined,
    ...changed,
  };
}

const superuser = { name: "postgres", isSuperuser: true, mayReplicate: true, mayCreate: true };
const owner = { name: "owner", isSuperuser: false, mayReplicate: true, mayCreate: true };
const labels = [table("g", "_ag_label_vertex"), table("g", "Twin"), table("h", "Twin")];
const agCatalog = [table("ag_catalog", "ag_graph"), table("ag_catalog", "ag_label")];

function scope(changed: Partial<PublicationScope> = {}): PublicationScope {
  return { name: "age_pub", role: superuser, version: 180_000, labels, agCatalog, ...changed };
}

function publication(changed: Partial<Publication> = {}): Publication {
  return {
    oid: 1,
    name: "age_pub",
    allTables: false,
    omits: [],
    filtered: [],
    tables: new Set(),
    schemas: new Set(),
    managed: true,
    owned: true,
    ...changed,
  };
}

const mark = `COMMENT ON PUBLICATION "age_pub" IS 'Kept current by twinrouter'`;

Deno.test("a superuser publishes whole graphs, and the two tables of ag_catalog", () => {
  assert.deepEqual(planCreation(scope()).statements, [
    'CREATE PUBLICATION "age_pub" FOR TABLE ONLY "ag_catalog"."ag_graph", ONLY "ag_catalog"."ag_label", ' +
    'TABLES IN SCHEMA "g", "h"',
    mark,
  ]);
});

Deno.test("before PostgreSQL 15, and for anybody else, labels are listed", () => {
  const listed = 'ONLY "g"."_ag_label_vertex", ONLY "g"."Twin", ONLY "h"."Twin"';
  assert.deepEqual(planCreation(scope({ version: 140_000 })).statements, [
    `CREATE PUBLICATION "age_pub" FOR TABLE ONLY "ag_catalog"."ag_graph", ONLY "ag_catalog"."ag_label", ${listed}`,
    mark,
  ]);
  const foreign = agCatalog.map((each) => ({ ...each, owned: false }));
  assert.deepEqual(planCreation(scope({ role: owner, agCatalog: foreign })).statements, [
    `CREATE PUBLICATION "age_pub" FOR TABLE ${listed}`,
    mark,
  ]);
});

Deno.test("a table of ag_catalog is not published while it would take no updates then", () => {
  const [graph, label] = agCatalog;
  assert(graph && label);
  const without = { ...label, identity: "default" } as const;
  const [create] = planCreation(scope({ agCatalog: [graph, without] })).statements;
  assert.doesNotMatch(create ?? "", /ag_label/);
  const [withKey] =
    planCreation(scope({ agCatalog: [graph, { ...without, hasPrimaryKey: true }] })).statements;
  assert.match(withKey ?? "", /ag_label/);
});

Deno.test("without any graph the publication is empty, not of everything", () => {
  assert.deepEqual(planCreation(scope({ labels: [], agCatalog: [] })).statements, [
    'CREATE PUBLICATION "age_pub"',
    mark,
  ]);
});

Deno.test("who may not create it gets all that somebody else has to run", () => {
  const anonymous = [table("g", "Twin", { identity: "default", owned: false })];
  const plan = planCreation(scope({ role: owner, labels: anonymous }));
  assert.equal(plan.refusal, 'role owner does not own "g"."Twin"');
  assert.deepEqual(plan.statements, [
    'ALTER TABLE "g"."Twin" REPLICA IDENTITY FULL',
    'CREATE PUBLICATION "age_pub" FOR TABLE ONLY "ag_catalog"."ag_graph", ONLY "ag_catalog"."ag_label", ' +
    'TABLES IN SCHEMA "g"',
  ]);
  const powerless = planCreation(scope({ role: { ...owner, mayCreate: false } }));
  assert.equal(powerless.refusal, "role owner has no CREATE privilege on the database");
});

Deno.test("what a publication of our own lacks is added, as far as this role may", () => {
  const current = publication({ tables: new Set(['"g"."Twin"', '"g"."_ag_label_vertex"']) });
  assert.deepEqual(planExtension(current, scope({ agCatalog: [] })), {
    statements: ['ALTER PUBLICATION "age_pub" ADD TABLES IN SCHEMA "h"'],
    joining: [labels[2]],
    leftOut: [],
  });
  const foreign = table("h", "Foreign", { owned: false });
  const extension = planExtension(
    current,
    scope({ role: owner, labels: [...labels, foreign], agCatalog: [] }),
  );
  assert.deepEqual(extension.statements, ['ALTER PUBLICATION "age_pub" ADD TABLE ONLY "h"."Twin"']);
  assert.deepEqual(extension.leftOut, [foreign]);
  assert.deepEqual(planExtension(publication({ allTables: true }), scope()).statements, []);
});

Deno.test("a publication of somebody else's is never touched", () => {
  for (const changed of [{ managed: false }, { owned: false }]) {
    const extension = planExtension(publication(changed), scope());
    assert.deepEqual(extension, { statements: [], joining: [], leftOut: labels });
  }
});
