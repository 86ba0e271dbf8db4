import assert from "node:assert/strict";
import { Labels } from "../../src/twin/label.ts";
import { contains, edgeColumns, Model, table, Twin, vertexColumns } from "../support/replicated_builder.ts";

Deno.test("a table of a graph with graphid and agtype columns is a label", () => {
  const labels = new Labels();
  assert.deepEqual(labels.of(Twin), {
    graph: "digitaltwins",
    name: "Twin",
    oid: Twin.oid,
    kind: "vertex",
    holdsModels: false,
    idColumn: 0,
    propertiesColumn: 1,
  });
  assert.deepEqual(labels.of(contains), {
    graph: "digitaltwins",
    name: "contains",
    oid: contains.oid,
    kind: "edge",
    holdsModels: false,
    idColumn: 0,
    propertiesColumn: 3,
  });
  const model = labels.of(Model);
  assert(typeof model === "object" && model.holdsModels);
});

Deno.test("a label may have other columns, in any order", () => {
  const labels = new Labels();
  const label = labels.of(
    table("g", "Noted", { note: undefined, properties: "ag_catalog.agtype", id: "ag_catalog.graphid" }),
  );
  assert(typeof label === "object");
  assert.deepEqual([label.idColumn, label.propertiesColumn, label.kind], [2, 1, "vertex"]);
});

Deno.test("other tables are no labels", () => {
  const labels = new Labels();
  assert.equal(labels.of(table("ag_catalog", "ag_label", { name: undefined })), "catalog");
  assert.equal(labels.of(table("ag_catalog", "odd", vertexColumns)), "catalog");
  assert.equal(labels.of(table("public", "a", { id: undefined, properties: undefined })), "other_table");
  assert.equal(labels.of(table("public", "b", { id: "ag_catalog.graphid" })), "other_table");
  assert.equal(
    labels.of(table("public", "c", { id: "other.graphid", properties: "other.agtype" })),
    "other_table",
  );
});

Deno.test("only the wanted graphs have labels, where some are named", () => {
  const labels = new Labels(["one", "two"]);
  assert.equal(typeof labels.of(table("one", "Twin", vertexColumns)), "object");
  assert.equal(typeof labels.of(table("two", "feeds", edgeColumns)), "object");
  assert.equal(labels.of(table("three", "Twin", vertexColumns)), "other_graph");
});

Deno.test("a relation that is described anew is looked at anew", () => {
  const labels = new Labels();
  assert.equal(labels.of(table("g", "T", { id: undefined }, { oid: 1 })), "other_table");
  assert.equal(typeof labels.of(table("g", "T", vertexColumns, { oid: 1 })), "object");
});
