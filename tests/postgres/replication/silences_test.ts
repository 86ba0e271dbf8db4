import assert from "node:assert/strict";
import { Silences } from "../../../src/postgres/replication/silences.ts";

Deno.test("silences count while nothing is confirmed in between", () => {
  const silences = new Silences();
  assert.equal(silences.inARow(0n), 0);
  silences.add(0n);
  silences.add(0n);
  assert.equal(silences.inARow(0n), 2);
  assert.equal(silences.inARow(1n), 0);
  silences.add(1n);
  assert.equal(silences.inARow(1n), 1);
});
