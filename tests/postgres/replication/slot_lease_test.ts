import assert from "node:assert/strict";
import { SlotLease, thisMoment } from "../../../src/postgres/replication/slot_lease.ts";

function ago(milliseconds: { wall?: number; steady?: number }) {
  const { wall, steady } = thisMoment();
  return { wall: wall - (milliseconds.wall ?? 0), steady: steady - (milliseconds.steady ?? 0) };
}

Deno.test("a slot is taken for one's own for less than the server would wait, by either clock", () => {
  assert(new SlotLease(60_000).isHeld);
  assert(new SlotLease(60_000, ago({ wall: 30_000, steady: 30_000 })).isHeld);
  assert(
    !new SlotLease(60_000, ago({ wall: 40_000 })).isHeld,
    "the machine slept, and its steady clock with it",
  );
  assert(!new SlotLease(60_000, ago({ steady: 40_000 })).isHeld, "somebody has set the clock back");
});

Deno.test("an answer counts from when it was asked for", () => {
  const lease = new SlotLease(60_000, ago({ wall: 50_000, steady: 50_000 }));
  lease.renew(ago({ wall: 40_000, steady: 40_000 }));
  assert(!lease.isHeld);
  lease.renew(thisMoment());
  assert(lease.isHeld);
});

Deno.test("a server that waits for ever never gives the slot away", () => {
  assert(new SlotLease(0, ago({ wall: 1e12, steady: 1e12 })).isHeld);
});
