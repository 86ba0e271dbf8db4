import assert from "node:assert/strict";
import { parseFilter } from "../../../src/route/filter/parser.ts";
import { mistakeInFilter } from "../../support/mistake_in_filter.ts";

const mistakeIn = (filter: string) => mistakeInFilter(parseFilter, filter);

const START = "a comparison, a function, NOT, '(', true or false";
const OPERATOR = "=, !=, <, <=, >, >=, IN or NIN";
const ATTRIBUTE = "; attributes have small letters and digits, strings single quotes";

const MISTAKES: readonly (readonly [filter: string, mistake: string])[] = [
  ["", `^ expected ${START}, found the end`],
  ["   ", `   ^ expected ${START}, found the end`],
  ["type == 'x'", `     ^ expected ${OPERATOR}, found '=='; did you mean =?`],
  ["type <> 'x'", `     ^ expected ${OPERATOR}, found '<>'; did you mean !=?`],
  ["type 'x'", `     ^ expected ${OPERATOR}, found 'x'`],
  ["type", `    ^ expected ${OPERATOR}, found the end`],
  ["null", `    ^ expected ${OPERATOR}, found the end`],
  ["type =", "      ^ expected a value, found the end"],
  ["type = 'x", "       ^ expected a value, found a string without its closing quote"],
  ['type = "x"', `       ^ expected a value, found '"'; strings stand in single quotes`],
  ["type = Twin.Create", `       ^ expected a value, found 'Twin'${ATTRIBUTE}`],
  ["Type = 'x'", `^ expected a comparison, found 'Type'${ATTRIBUTE}`],
  ["$eventType = 'x'", "^ expected a comparison, found '$eventType'; did you mean $body?"],
  ["data.x = 1", "^ expected a comparison, found 'data'; did you mean $body?"],
  ["type = AND", "       ^ expected a value, found 'AND'"],
  ["OR true", `^ expected ${START}, found 'OR'`],
  ["true AND", `        ^ expected ${START}, found the end`],
  ["true && true", "     ^ expected AND, OR or the end, found '&&'; did you mean AND?"],
  ["!true", `^ expected ${START}, found '!'; did you mean NOT?`],
  ["(true", "     ^ expected AND, OR or ')', found the end"],
  ["true)", "    ^ expected AND, OR or the end, found ')'"],
  ["()", ` ^ expected ${START}, found ')'`],
  ["STARTSWITH(type, 'x')", "^ expected a function, found 'STARTSWITH'; did you mean STARTS_WITH?"],
  ["CONTAINS(type 'x')", "              ^ expected ',', found 'x'"],
  ["CONTAINS(type, 'x'", "                  ^ expected ')', found the end"],
  ["IS_STRING(type, 'x')", "              ^ expected ')', found ','"],
  ["IS_DEFINED('x')", "           ^ expected an attribute or a path such as $body.Temperature, found 'x'"],
  ["IS_OF_MODEL('Room')", "            ^ expected a model's id such as 'dtmi:example:Room;1', found 'Room'"],
  ["IS_OF_MODEL('dtmi:x;1', true)", "                        ^ expected 'exact', found 'true'"],
  ["type IN 'x'", "        ^ expected '[', found 'x'"],
  ["type IN ['x' 'y']", "             ^ expected ',' or ']', found 'y'"],
  ["type IN ['x',]", "             ^ expected a value, found ']'"],
  [
    "$body.my-key = 1",
    `        ^ expected ${OPERATOR}, found '-'; a key with other characters is written $body['a-key']`,
  ],
  ["$body. = 1", "       ^ expected a name, or ['name'] for one with other characters, found '='"],
  ["$body.1st = 1", "      ^ expected a name, or ['name'] for one with other characters, found '1'"],
  ["$body[-1] = 1", "      ^ expected an index or 'a key', found '-1'"],
  ["$body[0 = 1", "        ^ expected ']', found '='"],
  ["$body.n = 007", "           ^ expected AND, OR or the end, found '0'"],
  ["type = '𝒳' = 'y'", "           ^ expected AND, OR or the end, found '='"],
];

for (const [filter, mistake] of MISTAKES) {
  Deno.test(`the mistake in \`${filter}\` is shown where it is`, () =>
    assert.equal(mistakeIn(filter), mistake));
}

Deno.test("a filter is at most 10000 characters long", () => {
  const long = (length: number) => `type = '${"x".repeat(length - 9)}'`;
  parseFilter(long(10_000));
  assert.match(mistakeIn(long(10_001)), /^ {10000}\^ expected the end after at most 10000 characters$/);
});

Deno.test("a filter is nested at most 100 levels deep", () => {
  const nested = (levels: number) => `${"(".repeat(levels)}true${")".repeat(levels)}`;
  parseFilter(nested(100));
  assert.equal(
    mistakeIn(nested(101)),
    `${" ".repeat(100)}^ expected at most 100 levels of nesting, found '('`,
  );
  assert.match(
    mistakeIn("NOT ".repeat(101) + "true"),
    /^ {400}\^ expected at most 100 levels of nesting, found 'NOT'$/,
  );
  parseFilter(Array(900).fill("(true)").join(" AND "));
});
