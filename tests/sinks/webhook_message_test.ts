import assert from "node:assert/strict";
import fc from "fast-check";
import { runsWithin, writeEvent, writeMessage } from "../../sinks/webhook/message.ts";
import { cloudEvent } from "../support/cloud_events.ts";

Deno.test("runsWithin() keeps every event in its order, and each run as long as the bytes allow, to the byte", () => {
  const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { maxLength: 30 });
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 60 }), (texts, maxBytes) => {
      const events = texts.map((text, index) => ({ index, event: cloudEvent(index), text }));
      const bytesOf = (run: typeof events) =>
        new TextEncoder().encode(writeMessage("batched", run).body).length;
      const runs = runsWithin(maxBytes, events) as (typeof events)[];
      assert.deepEqual(runs.flat(), events);
      for (const [index, run] of runs.entries()) {
        assert(run.length === 1 || run.length > 1 && bytesOf(run) <= maxBytes);
        const next = runs[index + 1]?.[0];
        if (next) assert(bytesOf([...run, next]) > maxBytes);
      }
    }),
    { seed: 20260101 },
  );
});

Deno.test("a message has the same event whatever its mode, in the place that the mode has for it", () => {
  const event = cloudEvent(1, { snapshot: true, data: '{"v":22.0}' });
  const written = (mode: "structured" | "binary" | "batched") =>
    writeMessage(mode, [writeEvent(mode, 0, event)]);
  assert.equal(written("batched").body, `[${written("structured").body}]`);
  assert.equal(written("binary").body, event.data);
  assert.equal(written("binary").headers["ce-snapshot"], "true");
  assert.deepEqual(Object.keys(written("structured").headers), ["content-type"]);
});
