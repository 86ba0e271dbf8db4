import assert from "node:assert/strict";
import { CesqlFilter } from "../../../src/route/cesql/cesql_filter.ts";
import { mistakeInFilter } from "../../support/mistake_in_filter.ts";

const mistakeIn = (filter: string) => mistakeInFilter((text) => new CesqlFilter(text), filter);

const INTEGER = "expected an integer from -2147483648 to 2147483647";

const MISTAKES: readonly (readonly [filter: string, mistake: string])[] = [
  ["", "^ expected a value, found the end"],
  ["type == 'x'", "     ^ expected an operator or the end, found '=='; did you mean =?"],
  ["type 'x'", "     ^ expected an operator or the end, found 'x'"],
  ["type =", "      ^ expected a value, found the end"],
  ["type = 'x", "       ^ expected a value, found a string without its closing quote"],
  ['type = "', "       ^ expected a value, found a string without its closing quote"],
  [
    "type = 'it''s'",
    "           ^ expected an operator or the end, found 's'; in a string a quote is written \\'",
  ],
  ["type = Twin.Create", "           ^ expected an operator or the end, found '.'"],
  ["type = AND", "       ^ expected a value, found 'AND'"],
  ["TRUE && TRUE", "     ^ expected an operator or the end, found '&&'; did you mean AND?"],
  ["TRUE || TRUE", "     ^ expected an operator or the end, found '||'; did you mean OR?"],
  ["!TRUE", "^ expected a value, found '!'; did you mean NOT?"],
  ["(TRUE", "     ^ expected an operator or ')', found the end"],
  ["TRUE)", "    ^ expected an operator or the end, found ')'"],
  ["()", " ^ expected a value, found ')'"],
  ["type LIKE subject", "          ^ expected a pattern in quotes, found 'subject'"],
  ["type NOT 'x'", "         ^ expected LIKE or IN, found 'x'"],
  ["type IN ['x']", "        ^ expected '(', found '['; lists stand in parentheses"],
  ["type IN ()", "         ^ expected a value, found ')'"],
  ["type IN ('x' 'y')", "             ^ expected an operator, ',' or ')', found 'y'"],
  ["type IN ('x',)", "             ^ expected a value, found ')'"],
  ["EXISTS 'x'", "       ^ expected an attribute, found 'x'"],
  ["EXISTS (type)", "       ^ expected an attribute, found '('"],
  ["EXISTS TRUE", "       ^ expected an attribute, found 'TRUE'"],
  ["2147483648", `^ ${INTEGER}, found '2147483648'`],
  ["1 = -2147483649", `    ^ ${INTEGER}, found '-'`],
  ["1 = + 5", "      ^ expected a number right behind '+', found '5'"],
  ["hop = 5.0", "       ^ expected an operator or the end, found '.'"],
  ["$body.x = 1", "^ expected a value, found '$'; CloudEvents SQL does not see bodies"],
  ["data = 1", "^ expected a value, found 'data'; CloudEvents SQL does not see bodies"],
  ["EXISTS Data", "       ^ expected an attribute, found 'Data'; CloudEvents SQL does not see bodies"],
  ["my_key = 1", "^ expected a value, found 'my_key'; attributes have letters and digits alone"],
  ["TRUE AND LENGHT(type) = 5", "         ^ expected a function, found 'LENGHT'; did you mean LENGTH?"],
  ["f00(type)", "   ^ expected an operator or the end, found '('"],
  ["LEFT(type)", "^ expected 2 arguments, found 'LEFT' with 1"],
  ["SUBSTRING(type)", "^ expected 2 or 3 arguments, found 'SUBSTRING' with 1"],
  ["CONCAT_WS()", "^ expected 1 or more arguments, found 'CONCAT_WS' with 0"],
  ["type = '𝒳' 'y'", "           ^ expected an operator or the end, found 'y'"],
];

for (const [filter, mistake] of MISTAKES) {
  Deno.test(`the mistake in the CloudEvents SQL \`${filter}\` is shown where it is`, () =>
    assert.equal(mistakeIn(filter), mistake));
}

Deno.test("CloudEvents SQL is at most 10000 characters long", () => {
  const long = (length: number) => `type = '${"x".repeat(length - 9)}'`;
  new CesqlFilter(long(10_000));
  assert.match(mistakeIn(long(10_001)), /^ {10000}\^ expected the end after at most 10000 characters$/);
});

Deno.test("CloudEvents SQL is nested at most 100 levels deep, whatever nests", () => {
  for (
    const [open, close, found] of [
      ["(", ")", "("],
      ["NOT ", "", "NOT"],
      ["- ", "", "-"],
      ["INT(", ")", "INT"],
      ["1 IN (", ")", "IN"],
      ["1 + 2 * (", ")", "("],
    ] as const
  ) {
    const nested = (levels: number) => `${open.repeat(levels)}1${close.repeat(levels)}`;
    new CesqlFilter(nested(100));
    assert.match(mistakeIn(nested(101)), /\^ expected at most 100 levels of nesting, found '(.*)'$/);
    assert.ok(mistakeIn(nested(101)).endsWith(`'${found}'`));
  }
});
