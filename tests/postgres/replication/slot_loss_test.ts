import assert from "node:assert/strict";
import type { ReplicationSettings } from "../../../src/postgres/replication/replication_settings.ts";
import type { ServerFacts } from "../../../src/postgres/replication/server_facts.ts";
import type { Slot } from "../../../src/postgres/replication/slot.ts";
import { findLoss } from "../../../src/postgres/replication/slot_loss.ts";

const slot: Slot = { name: "age_slot", plugin: "pgoutput", database: "twins", confirmedFlushLsn: 7n };
const earlier = { confirmed: 5n, publication: 1 };

/** What is lost, as `reason from`, and `replaced` where another slot is made. */
function loss(
  found: { slot?: Slot | undefined; publication?: number; version?: number; isStandby?: boolean },
  known: typeof earlier | null = earlier,
  onSlotLost: ReplicationSettings["onSlotLost"] = "recreate",
): string | undefined {
  const { version = 180_000, isStandby = false, publication } = found;
  const facts = {
    server: { version, isStandby, database: "twins" },
    slot: found.slot,
    publication: publication === undefined ? undefined : { oid: publication },
  } as ServerFacts;
  const lost = findLoss(facts, known ?? undefined, { onSlotLost } as ReplicationSettings);
  return lost && `${lost.reason} ${lost.from}${lost.isReplaced ? " replaced" : ""}`;
}

Deno.test("a slot that is as it was has lost nothing, nor has one that never was", () => {
  assert.equal(loss({ slot, publication: 1 }), undefined);
  assert.equal(loss({ slot, publication: 1 }, null), undefined);
  assert.equal(loss({ publication: 1 }, null), undefined);
  assert.equal(loss({}, null), undefined);
});

Deno.test("a slot that is gone or given up is replaced, if that is wanted and nobody else's", () => {
  const invalid = { ...slot, invalidationReason: "wal_removed" };
  assert.equal(loss({ publication: 1 }), "slot_lost 5 replaced");
  assert.equal(loss({ slot: invalid, publication: 1 }), "slot_lost 7 replaced");
  assert.equal(loss({ slot: invalid, publication: 1 }, null), "slot_lost 7 replaced");
  assert.equal(loss({ slot: invalid, publication: 1 }, earlier, "fail"), undefined);
  assert.equal(loss({ publication: 1 }, earlier, "fail"), undefined);
  assert.equal(loss({ publication: 1, isStandby: true }), undefined, "a standby may not have it yet");
  assert.equal(loss({ slot: { ...invalid, database: "other" }, publication: 1 }), undefined);
  assert.equal(loss({ slot: { ...invalid, plugin: "test_decoding" }, publication: 1 }), undefined);
});

Deno.test("another publication of the same name has not published all: PostgreSQL 18 leaves a gap, earlier ones need a new slot", () => {
  assert.equal(loss({ slot, publication: 2 }), "publication_lost 7");
  assert.equal(loss({ slot, publication: 2 }, earlier, "fail"), "publication_lost 7");
  assert.equal(loss({ slot, publication: 2, version: 170_000 }), "publication_lost 7 replaced");
  assert.equal(loss({ slot, publication: 2, version: 170_000 }, earlier, "fail"), undefined);
  assert.equal(loss({ slot }), "publication_lost 7 replaced");
  assert.equal(loss({ slot }, earlier, "fail"), undefined);
});
