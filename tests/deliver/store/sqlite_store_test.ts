import assert from "node:assert/strict";
import { StoreRefusal } from "../../../src/deliver/store/delivery_store.ts";
import { SqliteStore } from "../../../src/deliver/store/sqlite_store.ts";
import { testStore } from "../../support/store_conformance.ts";
import { TemporaryFolder } from "../../support/temporary_folder.ts";

testStore("a store in a SQLite file", async () => {
  const folder = await TemporaryFolder.make();
  return {
    open: (slot) => new SqliteStore(`${folder.path}/store.db`, slot),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

Deno.test("a SQLite file that cannot be made is said so by its path, and one that can leaves nothing behind", async () => {
  await using folder = await TemporaryFolder.make();
  await using missing = new SqliteStore(`${folder.path}/none/store.db`, "one");
  const refusal = await missing.refusal();
  assert(refusal instanceof StoreRefusal);
  assert.match(
    refusal.message,
    /Cannot keep dead letters and parked events in '.*none\/store\.db': unable to open/,
  );
  await using possible = new SqliteStore(`${folder.path}/store.db`, "one");
  assert.equal(await possible.refusal(), undefined);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
