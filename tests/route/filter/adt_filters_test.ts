import assert from "node:assert/strict";
import { ADT_EVENT_NAMES, ADT_EVENTS, ADT_FILTERS } from "../../support/adt_filters.ts";
import { matches } from "../../support/filter_events.ts";

/** What users of Azure Digital Twins asked for and do not have. */
const BEYOND: typeof ADT_FILTERS = [
  ["CONTAINS($body.patch[0].path, 'Temperature')", ["device"]],
  ["CONTAINS($body.patch.path, 'temperature')", ["updated"]],
  ["$body.patch.path = '/temperature'", ["updated"]],
  ["$body.patch[0].op = 'replace'", ["updated"]],
];

assert.equal(ADT_FILTERS.length, 31);

for (const [filter, matching] of [...ADT_FILTERS, ...BEYOND]) {
  Deno.test(`the filter ${filter} means what Azure Digital Twins means by it`, () => {
    assert.deepEqual(ADT_EVENT_NAMES.filter((name) => matches(filter, ADT_EVENTS[name])), matching);
  });
}
