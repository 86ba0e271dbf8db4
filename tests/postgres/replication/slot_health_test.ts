import assert from "node:assert/strict";
import { Metrics } from "../../../src/observe/metrics.ts";
import { SlotHealth } from "../../../src/postgres/replication/slot_health.ts";
import { LogRecorder } from "../../support/log_recorder.ts";

Deno.test("that a slot is about to be given up is said once each time, and shown", async () => {
  const metrics = new Metrics();
  const log = new LogRecorder();
  const health = new SlotHealth({ metrics, log });
  assert.deepEqual(health.facts, {});
  const note = (walStatus: string, safeWalSize?: number) =>
    health.note({ name: "age_slot", walStatus, ...(safeWalSize !== undefined && { safeWalSize }) });
  note("reserved", 1000);
  assert.deepEqual(log.lines, []);
  note("unreserved", -5);
  note("unreserved", -6);
  assert.equal(log.matching(/^warn Slot age_slot is about to be given up/).length, 1);
  assert.deepEqual(health.facts, { walStatus: "unreserved", safeWalSize: -6 });
  const text = await metrics.registry.metrics();
  assert.match(text, /twinrouter_slot_wal_status\{status="unreserved"\} 1\n/);
  assert.match(text, /twinrouter_slot_wal_status\{status="reserved"\} 0\n/);
  assert.match(text, /twinrouter_slot_safe_wal_bytes -6\n/);
  note("reserved", 1000);
  note("unreserved", -5);
  assert.equal(log.matching(/^warn/).length, 2);
});
