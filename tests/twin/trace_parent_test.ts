import assert from "node:assert/strict";
import { traceparentIn } from "../../src/twin/trace_parent.ts";

function read(text: string): string | undefined {
  const content = new TextEncoder().encode(text);
  return traceparentIn({ kind: "message", transactional: true, lsn: 0n, prefix: "traceparent", content });
}

const trace = "2aa957558db348f387ef704b37631a1d";
const parent = "590d733a1b798149";

Deno.test("traceparent is read in the form of W3C Trace Context", () => {
  for (
    const text of [
      `00-${trace}-${parent}-01`,
      `00-${trace}-${parent}-00`,
      `01-${trace}-${parent}-01`,
      `cc-${trace}-${parent}-01-more`,
    ]
  ) {
    assert.equal(read(text), text);
  }
});

Deno.test("traceparent in any other form is refused", () => {
  for (
    const text of [
      "",
      `00-${trace}-${parent}`,
      `00-${trace}-${parent}-1`,
      `00-${trace}-${parent}-01-more`,
      `00-${trace}-${parent}-01\n`,
      ` 00-${trace}-${parent}-01`,
      `ff-${trace}-${parent}-01`,
      `00-${"0".repeat(32)}-${parent}-01`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `00-${trace.toUpperCase()}-${parent}-01`,
      `01-${trace}-${parent}-01more`,
      `01-${trace}-${parent}-01-\r\nx: y`,
    ]
  ) {
    assert.equal(read(text), undefined, JSON.stringify(text));
  }
});
