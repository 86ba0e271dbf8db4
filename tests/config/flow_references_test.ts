import assert from "node:assert/strict";
import fc from "fast-check";
import { maskReferences, unmaskReferences } from "../../src/config/flow_references.ts";
import { loadConfig, toldBy } from "../support/load_text.ts";

Deno.test("references need no quotes inside of braces and brackets", () => {
  const { sinks, source } = loadConfig(
    `eventSinks: { webhook: [{ name: \${NAME}, url: \${URL:-https://[::1]/a,b} }, { name: $\${x}, url: "\${URL}" }] }
source: { graphs: [\${A}, \${B:-b}] }`,
    { environment: { NAME: "Hook", URL: "https://example.com/{x}", A: "a" } },
  );
  assert.deepEqual(sinks.map(({ name }) => name), ["Hook", "${x}"]);
  assert.deepEqual(sinks.map(({ options }) => options["url"]), Array(2).fill("https://example.com/{x}"));
  assert.deepEqual(source.graphs, ["a", "b"]);
});

Deno.test("positions after a reference are those of the file", () => {
  assert.deepEqual(
    toldBy(() => loadConfig("eventSinks: { webhook: [{ url: ${URL:-https://a/b}, nam: Hook }] }")),
    ["3:57 eventSinks.webhook[0].nam: unknown key; did you mean name?"],
  );
});

Deno.test("masking changes no length and can be undone", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("${", "$", "{", "}", "[", ",", "A", ":-", "file:", "\n") }),
      (text) => {
        const masked = maskReferences(text);
        assert.equal(masked.length, text.length);
        assert.equal(unmaskReferences(masked), text);
      },
    ),
    { seed: 2, numRuns: 2_000 },
  );
});
