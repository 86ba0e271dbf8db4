import assert from "node:assert/strict";
import { FilterError } from "../../src/route/filter/filter_error.ts";

/** What is wrong with a filter in the eyes of `read`, to stand below it: the column is where the caret stands. */
export function mistakeInFilter(read: (filter: string) => unknown, filter: string): string {
  try {
    read(filter);
  } catch (error) {
    assert.ok(error instanceof FilterError, String(error));
    assert.equal(error.text, filter);
    const [, column, problem] = /^Cannot read the filter at column (\d+): (.*)$/.exec(error.message) ?? [];
    assert.equal(Number(column), error.column);
    return `${" ".repeat(error.column - 1)}^ ${problem}`;
  }
  throw new Error(`'${filter}' was expected to be wrong`);
}
