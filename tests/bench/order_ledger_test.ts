import assert from "node:assert/strict";
import { OrderLedger } from "../../bench/outage/order_ledger.ts";

/** What comes of arrivals such as `a1`. */
function ledgerOf(arrivals: string): OrderLedger {
  const ledger = new OrderLedger();
  for (const arrival of arrivals.split(" ")) ledger.arrived(arrival.slice(0, 1), Number(arrival.slice(1)));
  return ledger;
}

Deno.test("all that was committed came, each twin's changes in order", () => {
  const ledger = ledgerOf("a1 b1 a2 a3 b2");
  assert.deepEqual(ledger.account, { arrived: 5, repeats: 0, outOfOrder: 0 });
  assert.equal(ledger.lost(new Map([["a", 3], ["b", 2], ["c", 0]])), 0);
});

Deno.test("what comes again is no breach of the order", () => {
  const ledger = ledgerOf("a1 a2 a3 a2 a3 a4");
  assert.deepEqual(ledger.account, { arrived: 4, repeats: 2, outOfOrder: 0 });
  assert.equal(ledger.arrived("a", 4), false);
  assert.equal(ledger.arrived("a", 5), true);
});

Deno.test("a change that comes after a later one is out of order, and not lost", () => {
  const ledger = ledgerOf("a1 a4 a2 a2");
  assert.deepEqual(ledger.account, { arrived: 3, repeats: 1, outOfOrder: 1 });
  assert.equal(ledger.lost(new Map([["a", 4]])), 1);
});

Deno.test("changes are lost in the midst, at the end, and of twins that nobody has heard of", () => {
  assert.equal(ledgerOf("a1 a3").lost(new Map([["a", 5], ["b", 2]])), 1 + 2 + 2);
});
