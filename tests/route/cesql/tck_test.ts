import assert from "node:assert/strict";
import { parse } from "yaml";
import { CesqlFilter } from "../../../src/route/cesql/cesql_filter.ts";
import { compile } from "../../../src/route/cesql/compile.ts";
import { parseCesql } from "../../../src/route/cesql/parser.ts";
import { Failure, type Outcome, type Value } from "../../../src/route/cesql/value.ts";
import { FilterError } from "../../../src/route/filter/filter_error.ts";
import { writtenEvent } from "../../support/filter_events.ts";
import { inRepository } from "../../support/repository.ts";

interface TckCase {
  readonly name: string;
  readonly expression: string;
  readonly result?: Value;
  readonly error?: string;
  readonly event?: Readonly<Record<string, Value>>;
  readonly eventOverrides?: Readonly<Record<string, Value>>;
}

interface Expected {
  readonly result?: Value | undefined;
  readonly error?: string | undefined;
}

/**
 * Where the TCK contradicts its specification. The case is older than version 1.0, whose section 3.7 demands the cast of
 * an integer to a boolean, as the TCK's own `BOOL(10)` does; CloudEvents' Go SDK has corrected its copy likewise.
 */
const CORRECTED: ReadonlyMap<string, Expected> = new Map([["NOT 10", { result: false }]]);

const ANY_EVENT = { specversion: "1.0", id: "1", source: "/tck", type: "tck" };

const folder = inRepository("tests/fixtures/cesql_tck");
const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".yaml"))
  .sort();
let count = 0;
for (const file of files) {
  const text = Deno.readTextFileSync(`${folder}/${file}`);
  const suite = parse(text) as { readonly name: string; readonly tests: readonly TckCase[] };
  // Expressions such as TRUE and -10 stand without quotes.
  const written = parse(text, { schema: "failsafe" }) as typeof suite;
  for (const [index, test] of suite.tests.entries()) {
    count++;
    const expression = written.tests[index]?.expression ?? "";
    const { result, error } = CORRECTED.get(expression) ?? test;
    Deno.test(`TCK: ${suite.name}: ${test.name}: ${expression}`, () => {
      const event = writtenEvent({ attributes: test.event ?? { ...ANY_EVENT, ...test.eventOverrides } });
      if (error === "parse") {
        assert.throws(() => parseCesql(expression), FilterError);
        return;
      }
      const { expression: parsed, missingFunction } = parseCesql(expression);
      const outcome = compile(parsed)(event);
      assert.deepEqual(told(outcome), { result, error });
      // Such a filter is refused, because it could only fail.
      assert.equal(missingFunction !== undefined, error === "missingFunction");
      if (!missingFunction) {
        assert.equal(new CesqlFilter(expression).matches(event), result === true && error === undefined);
      }
    });
  }
}

function told(outcome: Outcome): Expected {
  return outcome instanceof Failure
    ? { result: outcome.value, error: outcome.error }
    : { result: outcome, error: undefined };
}

Deno.test("the whole TCK is there", () => assert.deepEqual([files.length, count], [18, 275]));
