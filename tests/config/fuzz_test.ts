import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigurationError } from "../../src/config/problem.ts";
import { loadText } from "../support/load_text.ts";

const WORDS = [
  ..."{}[]:,&*!|>'\"%@`#-?\\\n\t $~.0",
  ": ",
  "\n  ",
  "\n    ",
  "- ",
  "${",
  "}",
  "$${",
  "${A}",
  "${file:/x}",
  "<<: *a",
  "&a ",
  "*a",
  "---",
  "null",
  "true",
  "1e400",
  ".nan",
  "0x1F",
  "!!binary ",
  "!!set ",
  "!!float ",
  "events:",
  "config:",
  "eventSinks:",
  "eventRoutes:",
  "console:",
  "webhook:",
  "source:",
  "http:",
  "name: A",
  "url: https://x",
  "sinkName: A",
  "auth: { type: basic }",
  "__proto__",
  "constructor",
  "\ufdd0",
  "\u2028",
  "\ud800",
  "\0",
];

function expectOnlyConfigurationErrors(text: string): void {
  try {
    loadText(text, { environment: { A: "${A}" } });
  } catch (error) {
    assert(error instanceof ConfigurationError, `${JSON.stringify(text)} gave ${String(error)}`);
    assert(error.problems.length > 0);
    const lines = text.split(/\r\n|[\r\n]/).length;
    for (const { line, column } of error.problems) {
      assert(line >= 0 && line <= lines && column >= 0, `${JSON.stringify(text)} gave ${line}:${column}`);
    }
  }
}

Deno.test("no text makes anything but a ConfigurationError", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...WORDS), maxLength: 60 }), expectOnlyConfigurationErrors),
    { seed: 4, numRuns: 3_000 },
  );
});

Deno.test("no value in any place makes anything but a ConfigurationError", () => {
  const place = fc.constantFrom(
    "source",
    "http",
    "retry",
    "queue",
    "eventSinks",
    "eventRoutes",
    "maxBatchSize",
  );
  const kind = fc.constantFrom("console", "file", "webhook", "kafka", "mqtt", "kusto");
  const route = fc.record({
    sinkName: fc.jsonValue({ maxDepth: 2 }),
    typeMappings: fc.jsonValue({ maxDepth: 2 }),
    eventFormat: fc.jsonValue({ maxDepth: 2 }),
  });
  const sink = fc.record({
    name: fc.jsonValue({ maxDepth: 2 }),
    retry: fc.jsonValue({ maxDepth: 2 }),
    queue: fc.jsonValue({ maxDepth: 2 }),
    url: fc.jsonValue({ maxDepth: 2 }),
    auth: fc.jsonValue({ maxDepth: 2 }),
    headers: fc.jsonValue({ maxDepth: 2 }),
  }, { requiredKeys: [] });
  const config = fc.oneof(
    fc.dictionary(place, fc.jsonValue({ maxDepth: 2 })),
    fc.record({
      eventSinks: fc.dictionary(kind, fc.array(sink, { maxLength: 2 })),
      eventRoutes: fc.array(route, { maxLength: 2 }),
    }),
  );
  fc.assert(
    fc.property(config, (config) => expectOnlyConfigurationErrors(JSON.stringify({ events: { config } }))),
    { seed: 5, numRuns: 300 },
  );
});
