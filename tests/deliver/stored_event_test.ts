import assert from "node:assert/strict";
import { readStoredEvent, writeStoredEvent } from "../../src/deliver/stored_event.ts";
import { structuredJson } from "../../src/sink/encode.ts";
import { cloudEvent } from "../support/cloud_events.ts";
import { hardEvents } from "../support/hard_events.ts";

Deno.test("an event is read as it was stored, its graph too", () => {
  for (const [what, event] of [...hardEvents(), ["one of a graph", cloudEvent(1)] as const]) {
    for (const stored of [event, { ...event, graph: 'x"; DROP' }]) {
      const read = readStoredEvent(writeStoredEvent(stored));
      assert.equal(structuredJson(read), structuredJson(stored), what);
      assert.equal(read.graph, stored.graph, what);
    }
    assert.equal(structuredJson(readStoredEvent(structuredJson(event))), structuredJson(event), what);
  }
});

Deno.test("what is no stored event is refused", () => {
  for (const text of ["", "{}", '{"id":"a"}', '{"id":"a","data":1', '{"id":,"data":1}']) {
    assert.throws(() => readStoredEvent(text), Error, text);
  }
});
