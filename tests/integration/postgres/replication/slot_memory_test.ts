import assert from "node:assert/strict";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import { SlotMemory } from "../../../../src/postgres/replication/slot_memory.ts";
import { GraphCluster } from "../../../support/graph_cluster.ts";
import { LogRecorder } from "../../../support/log_recorder.ts";

Deno.test("what was kept in another database cluster says that there was a slot, and nothing of its position", async () => {
  await using cluster = await GraphCluster.start();
  const { sql } = await cluster.database();
  const log = new LogRecorder();
  const memory = new SlotMemory("age_slot", log);
  assert.equal(await memory.recall(sql, "1"), undefined);
  // As an earlier version made it.
  await sql.unsafe(`
    CREATE SCHEMA digitaltwins_eventing;
    CREATE TABLE digitaltwins_eventing.slots (
      slot text PRIMARY KEY, confirmed text NOT NULL, publication bigint, seen_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO digitaltwins_eventing.slots VALUES ('age_slot', '0/5', 7)`);
  assert.deepEqual(await memory.recall(sql, "1"), { confirmed: 5n, publication: 7 });
  await memory.keep(sql, "1", { confirmed: 6n, publication: 8 });
  assert.deepEqual(await memory.recall(sql, "1"), { confirmed: 6n, publication: 8 });
  assert.deepEqual(await memory.recall(sql, "2"), { confirmed: 0n, publication: undefined });
  assert.equal(await new SlotMemory("other_slot", log).recall(sql, "1"), undefined);
  assert.deepEqual(log.lines, []);
});

Deno.test("a role that may not even use the schema goes without, and is told so once; any other failure is one", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  await database.createRole("narrow");
  await using sql = openSql(database.settings({ user: "narrow" }).connection);
  const log = new LogRecorder();
  const memory = new SlotMemory("age_slot", log);
  await database.sql`CREATE SCHEMA digitaltwins_eventing`; // as AgeDigitalTwins makes it
  assert.equal(await memory.recall(sql, "1"), undefined);
  assert.deepEqual(log.lines, []);
  await new SlotMemory("age_slot", log).keep(database.sql, "1", { confirmed: 6n, publication: 8 });
  for (let times = 0; times < 2; times++) {
    assert.equal(await memory.recall(sql, "1"), undefined);
    await memory.keep(sql, "1", { confirmed: 9n, publication: 8 });
  }
  assert.equal(log.matching(/^warn Cannot remember slot age_slot: permission denied for schema/).length, 1);
  assert.equal(log.lines.length, 1);
  await database.sql`GRANT USAGE ON SCHEMA digitaltwins_eventing TO narrow`;
  await database.sql`GRANT SELECT, INSERT, UPDATE ON digitaltwins_eventing.slots TO narrow`;
  assert.deepEqual(await memory.recall(sql, "1"), { confirmed: 6n, publication: 8 });
  await database.sql`ALTER TABLE digitaltwins_eventing.slots RENAME COLUMN confirmed TO other`;
  await assert.rejects(memory.recall(sql, "1"), { code: "42703" });
});
