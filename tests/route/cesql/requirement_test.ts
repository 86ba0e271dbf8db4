import assert from "node:assert/strict";
import { CesqlFilter } from "../../../src/route/cesql/cesql_filter.ts";

const REQUIREMENTS: readonly (readonly [filter: string, requirement: string | undefined])[] = [
  ["subject = 'a'", "subject: a"],
  ["Subject IN ('a', 'b')", "subject: a b"],
  ["subject = 'a' OR subject IN ('b', 'c')", "subject: a b c"],
  ["type = 't' AND subject = 'a'", "subject: a"],
  ["type = 't' AND EXISTS dataschema", "type: t"],
  ["type LIKE 't%' AND (subject = 'a' OR subject = 'b')", "subject: a b"],
  ["(subject = 'a') AND TRUE", "subject: a"],
  ["subject = 'a' OR type = 't'", undefined],
  ["subject = 'a' AND TRUE OR TRUE", undefined],
  ["subject = 'a' OR TRUE AND TRUE", undefined],
  ["subject = 'a' XOR type = 't'", undefined],
  ["subject = 'a' = FALSE", undefined],
  ["NOT (subject = 'a')", undefined],
  ["subject != 'a'", undefined],
  ["subject NOT IN ('a')", undefined],
  ["subject IN ('a', 1)", undefined],
  ["subject = 1", undefined],
  ["subject = source", undefined],
  // An extension may be the truth that a text is cast to.
  ["snapshot = 'true'", undefined],
  ["snapshot IN ('TRUE')", undefined],
  ["LOWER(subject) = 'a'", undefined],
  ["TRUE", undefined],
];

for (const [filter, expected] of REQUIREMENTS) {
  Deno.test(`the CloudEvents SQL ${filter} requires ${expected ?? "no attribute that is plain to see"}`, () => {
    const { requirement } = new CesqlFilter(filter);
    assert.equal(requirement && `${requirement.attribute}: ${requirement.texts.join(" ")}`, expected);
  });
}
