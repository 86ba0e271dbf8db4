import assert from "node:assert/strict";
import { Filter } from "../../../src/route/filter/filter.ts";

const REQUIREMENTS: readonly (readonly [filter: string, requirement: string | undefined])[] = [
  ["subject = 'a'", "subject: a"],
  ["subject IN ['a', 'b']", "subject: a b"],
  ["subject IN []", "subject: "],
  ["subject = 'a' OR subject IN ['b', 'c']", "subject: a b c"],
  ["type = 't' AND subject = 'a'", "subject: a"],
  ["type = 't' AND $body.x = 1", "type: t"],
  ["STARTS_WITH(type, 't') AND (subject = 'a' OR subject = 'b')", "subject: a b"],
  ["subject = 'a' OR type = 't'", undefined],
  ["subject = 'a' OR $body.x = 1", undefined],
  ["NOT subject = 'a'", undefined],
  ["subject != 'a'", undefined],
  ["subject NIN ['a']", undefined],
  ["subject IN ['a', null]", undefined],
  ["subject = 'a' OR subject = null", undefined],
  ["subject = source", undefined],
  ["time = '2026-01-01T12:00:00Z'", undefined],
  ["$body.x = 'a'", undefined],
  ["true", undefined],
];

for (const [filter, expected] of REQUIREMENTS) {
  Deno.test(`the filter ${filter} requires ${expected ?? "no attribute that is plain to see"}`, () => {
    const { requirement } = new Filter(filter);
    assert.equal(requirement && `${requirement.attribute}: ${requirement.texts.join(" ")}`, expected);
  });
}
