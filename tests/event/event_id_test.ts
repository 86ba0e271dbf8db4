import assert from "node:assert/strict";
import fc from "fast-check";
import type { EventFormat } from "../../src/event/cloud_event.ts";
import { EventIds, readEventId } from "../../src/event/event_id.ts";

const seed = 20260101;
const transaction = { xid: 1, commitLsn: 0x16_B374D848n, commitTime: 820_584_000_123_456n };
const formats: readonly EventFormat[] = ["EventNotification", "DataHistory", "Telemetry"];

Deno.test("an event id is a UUID of version 8 with the layout of its comment", () => {
  const ids = EventIds.ofTransaction("7412345678901234567", "twins", transaction);
  const id = ids.of(0xdead_beef, "Telemetry", 0x1234);
  //                  LSN high 48 bits   8 + LSN low byte    variant, mix, ordinal's 2 bits    30 bits, format, index
  assert.match(id, /^000016b3-74d8-848[0-9a-f]-[89ab][0-9a-f]{2}[37bf]-7ab6fbbe1234$/);
  assert.equal((0xdeadbeef & 0x3fffffff) * 4 + 2, 0x7ab6fbbe);
});

Deno.test("ids stay what they are, or consumers could not recognise repeats across versions", () => {
  const ids = EventIds.ofTransaction("7412345678901234567", "twins", transaction);
  assert.equal(ids.of(0, "EventNotification", 0), "000016b3-74d8-8487-a904-000000000000");
  assert.equal(ids.of(3, "DataHistory", 1), "000016b3-74d8-8487-a904-0000000d0001");
});

const parts = fc.record({
  commitLsn: fc.bigInt(0n, 2n ** 56n - 1n),
  ordinal: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  format: fc.constantFrom(...formats),
  index: fc.integer({ min: 0, max: 0xffff }),
}, { noNullPrototype: true });

Deno.test("an event id can be read back", () => {
  fc.assert(
    fc.property(parts, fc.bigInt(0n, 2n ** 63n - 1n), (parts, commitTime) => {
      const ids = EventIds.ofTransaction("1", "d", { xid: 1, commitLsn: parts.commitLsn, commitTime });
      const id = ids.of(parts.ordinal, parts.format, parts.index);
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const { mix, ...read } = readEventId(id) ?? assert.fail(id);
      assert.deepEqual(read, parts);
      assert.equal(mix, readEventId(ids.of(0, "EventNotification", 0))?.mix);
    }),
    { seed, numRuns: 1000 },
  );
});

Deno.test("ids of one database and format are in commit order, text by text", () => {
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const order = Number(a.commitLsn - b.commitLsn) || a.ordinal - b.ordinal || a.index - b.index;
      // The mix stands between LSN and ordinal: of one LSN it is one.
      const [first, second] = [a, b].map(({ commitLsn, ordinal, index }) =>
        EventIds.ofTransaction("1", "d", { xid: 1, commitLsn, commitTime: 0n }).of(
          ordinal,
          "DataHistory",
          index,
        )
      );
      assert.equal(Math.sign(order), first === second ? 0 : (first ?? "") < (second ?? "") ? -1 : 1);
    }),
    { seed, numRuns: 1000 },
  );
});

Deno.test("the mix tells systems, databases and commit times apart", () => {
  const mixOf = (system: string, database: string, commitTime: bigint) =>
    readEventId(
      EventIds.ofTransaction(system, database, { ...transaction, commitTime }).of(0, "EventNotification", 0),
    )
      ?.mix;
  const mixes = [mixOf("1", "d", 5n), mixOf("2", "d", 5n), mixOf("1", "e", 5n), mixOf("1", "d", 6n)];
  assert.equal(new Set(mixes).size, 4);
  const all = new Set(
    Array.from({ length: 10_000 }, (_, time) => mixOf("7412345678901234567", "twins", BigInt(time))),
  );
  assert(all.size > 8000, `10,000 commit times gave ${all.size} mixes`);
});

Deno.test("what is no id of the router cannot be read", () => {
  for (
    const id of [
      "",
      "m-1",
      "000016b3-74d8-4487-a904-000000000000",
      "000016b3-74d8-8487-c904-000000000000",
      "000016b3-74d8-8487-a904-00000000000",
      "000016b3-74d8-8487-a904-000000030000", // no format has these bits
    ]
  ) {
    assert.equal(readEventId(id), undefined, id);
  }
});
