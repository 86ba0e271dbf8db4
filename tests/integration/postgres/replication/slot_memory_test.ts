import assert from "node:assert/strict";
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
});
