import assert from "node:assert/strict";
import { BetweenTransactions } from "../src/between_transactions.ts";

Deno.test("work is done at once between transactions, and within one waits for its end, in order", () => {
  const between = new BetweenTransactions();
  const done: string[] = [];
  between.do(() => done.push("before the first"));
  assert.deepEqual(done, ["before the first"]);
  between.left();
  assert.equal(between.isWanted, false);
  between.do(() => done.push("within"));
  between.do(() => done.push("within, later"));
  assert.equal(between.isWanted, true);
  assert.deepEqual(done, ["before the first"]);
  between.reached();
  assert.equal(between.isWanted, false);
  assert.deepEqual(done, ["before the first", "within", "within, later"]);
  between.do(() => done.push("after"));
  assert.equal(done.at(-1), "after");
});
