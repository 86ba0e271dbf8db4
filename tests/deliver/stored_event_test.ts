import assert from "node:assert/strict";
import { readStoredEvent } from "../../src/deliver/stored_event.ts";
import { structuredJson } from "../../src/sink/encode.ts";
import { hardEvents } from "../support/hard_events.ts";

Deno.test("an event is read as it was stored", () => {
  for (const [what, event] of hardEvents()) {
    assert.equal(structuredJson(readStoredEvent(structuredJson(event))), structuredJson(event), what);
  }
});

Deno.test("what is no stored event is refused", () => {
  for (const text of ["", "{}", '{"id":"a"}', '{"id":"a","data":1', '{"id":,"data":1}']) {
    assert.throws(() => readStoredEvent(text), Error, text);
  }
});
