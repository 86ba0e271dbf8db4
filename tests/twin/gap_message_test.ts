import assert from "node:assert/strict";
import { gapData } from "../../src/event/gap_data.ts";
import { GAP_PREFIX } from "../../src/postgres/replication/gap_message.ts";
import type { Gap } from "../../src/twin/twin_change.ts";
import { inserted, message, transaction, Twin } from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const told = {
  slot: "age_slot",
  reason: "slot_lost",
  graphs: ["digitaltwins", "factory"],
  from: "0/100",
  to: "0/200",
};

function from(text: string, transactional = true) {
  const row = inserted(Twin, 1, { $dtId: "a", n: 1 });
  return twinOutcome(transaction([message(GAP_PREFIX, text, transactional), row]), { slot: "age_slot" });
}

Deno.test("what a router says of its own gap is a gap in each graph, which begins and ends as it says", async () => {
  const { items, ignored } = await from(JSON.stringify(told));
  const gaps = items.filter((item) => item.kind === "gap") as Gap[];
  assert.deepEqual(gaps.map(({ graph, part, position }) => [graph, part, position.ordinal]), [
    ["digitaltwins", 0, 0],
    ["factory", 1, 0],
  ]);
  const [gap] = gaps;
  assert.deepEqual(JSON.parse(gap ? gapData(gap, gap.reason) : ""), {
    reason: "slot_lost",
    graph: "digitaltwins",
    from: "0/100",
    to: "0/200",
  });
  assert.deepEqual(ignored, {});
});

Deno.test("what another router has missed is no gap, nor is what makes no sense", async () => {
  const others = await from(JSON.stringify({ ...told, slot: "other_slot" }));
  assert.deepEqual(others.lines, ['create twin a @1 {"$dtId":"a","n":1}', "settle"]);
  const nonsense = await from('{"slot": "age_slot"}');
  assert.deepEqual(nonsense.lines, ['create twin a @1 {"$dtId":"a","n":1}', "settle"]);
  assert.deepEqual(nonsense.ignored, { bad_gap_message: 1 });
});
