import assert from "node:assert/strict";
import { Consumer } from "../../demo/consumer.ts";

Deno.test("counts each event once, by type, and how long it took from its commit", async () => {
  await using consumer = new Consumer();
  const send = async (id: string, type: string, sequence: string, ageMs: number) => {
    const time = new Date(Date.now() - ageMs).toISOString().replace("Z", "500Z");
    const response = await fetch(consumer.url, {
      method: "POST",
      body: JSON.stringify({ id, type, sequence, time }),
      signal: AbortSignal.timeout(10_000),
    });
    await response.body?.cancel();
    assert.equal(response.status, 204);
  };
  await send("1", "Twin.Update", "0001", 5_000);
  await send("3", "Twin.Update", "0003", 0);
  await send("2", "Twin.Create", "0002", 1_000);
  await send("2", "Twin.Create", "0002", 1_000);

  const { types, events, repeats, latencies, lastSequence } = consumer.received;
  assert.deepEqual([...types], [["Twin.Update", 2], ["Twin.Create", 1]]);
  assert.deepEqual({ events, repeats, lastSequence }, { events: 3, repeats: 1, lastSequence: "0003" });
  const [fresh = 0, second = 0, fifth = 0] = latencies;
  assert.ok(fresh < second && second >= 999 && second < fifth && fifth >= 4_999, String(latencies));
});
