import assert from "node:assert/strict";
import { ReceivedTransactions } from "../../src/twin/received_transactions.ts";

function received(...xids: number[]): ReceivedTransactions {
  const transactions = new ReceivedTransactions();
  for (const xid of xids) transactions.add(xid);
  return transactions;
}

Deno.test("a query may have missed a transaction that was running for it, or had not begun", () => {
  const transactions = received(700, 705, 705, 703);
  assert.equal(transactions.count, 3);
  assert.equal(transactions.isSomeMissed("706:706:", 3), false);
  assert.equal(transactions.isSomeMissed("701:706:701,704", 3), false);
  assert.equal(transactions.isSomeMissed("703:706:703", 3), true);
  assert.equal(transactions.isSomeMissed("705:705:", 3), true);
});

Deno.test("only what was received before counts", () => {
  const transactions = received(700, 705, 703);
  assert.equal(transactions.isSomeMissed("703:706:703", 2), false);
  assert.equal(transactions.isSomeMissed("700:701:", 1), false);
  assert.equal(transactions.isSomeMissed("700:701:", 0), false);
});

Deno.test("transaction ids are compared across the end of their 32 bits", () => {
  const wrapped = received(0xffff_fffe, 5);
  // Epoch 1: the next transaction is the sixth, or the fifth, after the wrap.
  assert.equal(wrapped.isSomeMissed(`${2n ** 32n}:${2n ** 32n + 6n}:`, 2), false);
  assert.equal(wrapped.isSomeMissed(`${2n ** 32n}:${2n ** 32n + 5n}:`, 2), true);
  assert.equal(wrapped.isSomeMissed(`${2n ** 32n - 2n}:${2n ** 32n + 6n}:${2n ** 32n - 2n}`, 2), true);
});

Deno.test("the oldest are forgotten, and the newest never", () => {
  const transactions = received(1);
  for (let xid = 2; xid < 70_000; xid++) transactions.add(xid);
  assert.equal(transactions.isSomeMissed("1:70000:1", transactions.count), false);
  assert.equal(transactions.isSomeMissed("69999:70000:69999", transactions.count), true);
});
