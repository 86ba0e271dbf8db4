import { closest } from "../../config/closest.ts";
import type { FilterError } from "../filter/filter_error.ts";
import type { Token } from "../filter/lexer.ts";
import { suggestion, TokenReader } from "../filter/token_reader.ts";
import type { BinaryOperator, Expression, Step } from "./expression.ts";
import { functionOf, FUNCTIONS } from "./functions.ts";
import { Lexer } from "./lexer.ts";
import { readInteger } from "./value.ts";

const KEYWORDS = ["TRUE", "FALSE", "NOT", "AND", "OR", "XOR", "LIKE", "EXISTS", "IN"] as const;

/** How close an operator binds. AND, OR and XOR are equals. */
const CLOSENESS: ReadonlyMap<string, number> = new Map<BinaryOperator | "<>", number>([
  ...(["*", "/", "%"] as const).map((operator) => [operator, 4] as const),
  ...(["+", "-"] as const).map((operator) => [operator, 3] as const),
  ...(["=", "!=", "<>", "<", "<=", ">", ">="] as const).map((operator) => [operator, 2] as const),
  ...(["AND", "OR", "XOR"] as const).map((operator) => [operator, 1] as const),
]);

export interface Parsed {
  readonly expression: Expression;
  /** Tells of the first call, if any, of what is no function. It is legal, and an error whenever it is evaluated. */
  readonly missingFunction: FilterError | undefined;
}

/**
 * Reads CloudEvents SQL.
 *
 *     expression = operand *( binary operand / [ NOT ] LIKE string / [ NOT ] IN "(" expression *( "," expression ) ")" )
 *     operand    = ( NOT / "-" ) operand / EXISTS attribute / function / "(" expression ")" / literal / attribute
 *     function   = name "(" [ expression *( "," expression ) ] ")"
 *     literal    = [ "+" / "-" ] number / string / TRUE / FALSE
 *
 * The closest binds what stands before an operand, then LIKE and IN, then the binary operators as in `CLOSENESS`; what
 * binds alike is done from the left to the right. Words are understood in any case, attributes' names too.
 * @throws {FilterError}
 * @see https://github.com/cloudevents/spec/blob/cesql/v1.0.0/cesql/spec.md
 */
export function parseCesql(text: string): Parsed {
  return new Parser(text).parse();
}

class Parser {
  readonly #tokens: TokenReader;
  #missingFunction: FilterError | undefined;

  constructor(text: string) {
    this.#tokens = new TokenReader(text, new Lexer(text), (token) => hintFor(token, text));
  }

  parse(): Parsed {
    const expression = this.#expression();
    if (this.#tokens.token.kind !== "end") this.#tokens.fail("an operator or the end");
    return { expression, missingFunction: this.#missingFunction };
  }

  /** Takes operators that bind at least as close as `least`. */
  #expression(least = 1): Expression {
    const first = this.#operand();
    const steps: Step[] = [];
    for (let step = this.#step(least); step; step = this.#step(least)) steps.push(step);
    return steps.length === 0 ? first : { kind: "row", first, steps };
  }

  #step(least: number): Step | undefined {
    const isNegated = this.#tokens.takeKeyword("not");
    if (this.#tokens.takeKeyword("like")) {
      const { kind, text: pattern } = this.#tokens.token;
      if (kind !== "string") this.#tokens.fail("a pattern in quotes");
      this.#tokens.advance();
      return { kind: "like", isNegated, pattern };
    }
    const begin = this.#tokens.token;
    if (this.#tokens.takeKeyword("in")) {
      this.#tokens.expectSymbol("(");
      return { kind: "in", isNegated, set: this.#tokens.nested(begin, () => this.#list()) };
    }
    if (isNegated) this.#tokens.fail("LIKE or IN");
    const { kind, text } = this.#tokens.token;
    const operator = kind === "symbol" || kind === "name" ? text.toUpperCase() : "";
    const closeness = CLOSENESS.get(operator);
    if (closeness === undefined || closeness < least) return undefined;
    this.#tokens.advance();
    const right = this.#expression(closeness + 1);
    return { kind: "binary", operator: operator === "<>" ? "!=" : operator as BinaryOperator, right };
  }

  #operand(): Expression {
    const begin = this.#tokens.token;
    if (this.#tokens.takeKeyword("not")) {
      return { kind: "not", operand: this.#tokens.nested(begin, () => this.#operand()) };
    }
    if (this.#tokens.takeSymbol("(")) {
      const expression = this.#tokens.nested(begin, () => this.#expression());
      if (!this.#tokens.takeSymbol(")")) this.#tokens.fail("an operator or ')'");
      return expression;
    }
    if (this.#tokens.takeKeyword("exists")) return { kind: "exists", name: this.#attribute("an attribute") };
    if (this.#tokens.takeKeyword("true")) return { kind: "literal", value: true };
    if (this.#tokens.takeKeyword("false")) return { kind: "literal", value: false };
    if (this.#tokens.isSymbol("-") || this.#tokens.isSymbol("+")) return this.#signed();
    switch (begin.kind) {
      case "string":
        this.#tokens.advance();
        return { kind: "literal", value: begin.text };
      case "number":
        return this.#integer(begin, "");
      case "name":
        return this.#named();
      default:
        return this.#tokens.fail("a value");
    }
  }

  /** A sign that touches a number is a part of it: that is how the least integer is written. */
  #signed(): Expression {
    const sign = this.#tokens.token;
    this.#tokens.advance();
    const { kind, offset } = this.#tokens.token;
    if (kind === "number" && offset === sign.offset + 1) return this.#integer(sign, sign.text);
    if (sign.text === "+") this.#tokens.fail("a number right behind '+'");
    return { kind: "minus", operand: this.#tokens.nested(sign, () => this.#operand()) };
  }

  #integer(begin: Token, sign: string): Expression {
    const value = readInteger(sign + this.#tokens.token.text);
    if (value === undefined) this.#tokens.failAt(begin, "an integer from -2147483648 to 2147483647");
    this.#tokens.advance();
    return { kind: "literal", value };
  }

  /** A call, or an attribute. */
  #named(): Expression {
    const begin = this.#tokens.token;
    if (isKeyword(begin.text)) this.#tokens.fail("a value");
    this.#tokens.advance();
    if (!this.#tokens.isSymbol("(") || !/^[a-z][a-z_]*$/i.test(begin.text)) {
      return { kind: "attribute", name: this.#checkAttribute(begin, "a value") };
    }
    this.#tokens.advance();
    const operands = this.#tokens.takeSymbol(")") ? [] : this.#tokens.nested(begin, () => this.#list());
    const called = functionOf(begin.text, operands.length);
    if (!called) this.#missingFunction ??= this.#errorOfCall(begin, operands.length);
    return { kind: "call", called, operands };
  }

  /** Reads one expression or more, and the parenthesis behind them. */
  #list(): readonly Expression[] {
    const list: Expression[] = [];
    do list.push(this.#expression()); while (this.#tokens.takeSymbol(","));
    if (!this.#tokens.takeSymbol(")")) this.#tokens.fail("an operator, ',' or ')'");
    return list;
  }

  #attribute(expected: string): string {
    const { token } = this.#tokens;
    if (token.kind !== "name" && token.kind !== "number") this.#tokens.fail(expected);
    if (isKeyword(token.text)) this.#tokens.fail(expected);
    this.#tokens.advance();
    return this.#checkAttribute(token, expected);
  }

  /** Events' attributes have no other names; nor is `data` one. */
  #checkAttribute(token: Token, expected: string): string {
    const name = token.text.toLowerCase();
    if (name === "data") this.#tokens.failAt(token, expected, "; CloudEvents SQL does not see bodies");
    if (name.includes("_")) {
      this.#tokens.failAt(token, expected, "; attributes have letters and digits alone");
    }
    return name;
  }

  #errorOfCall(name: Token, count: number): FilterError {
    const known = FUNCTIONS.filter((each) => each.name === name.text.toUpperCase());
    if (known.length === 0) {
      const meant = closest(name.text.toUpperCase(), FUNCTIONS.map((each) => each.name));
      return this.#tokens.errorAt(name, "a function", suggestion(meant));
    }
    const counts = known.map(({ parameters: { length }, isVariadic }) =>
      isVariadic ? `${length} or more` : length
    );
    return this.#tokens.errorAt(name, `${counts.join(" or ")} arguments`, ` with ${count}`);
  }
}

function isKeyword(word: string): boolean {
  return (KEYWORDS as readonly string[]).includes(word.toUpperCase());
}

/** What may have been meant by what stands where it cannot. */
function hintFor({ kind, text, offset }: Token, whole: string): string {
  if (kind === "string" && /['"]/.test(whole.charAt(offset - 1))) {
    return "; in a string a quote is written \\'";
  }
  if (kind !== "unknown") return "";
  if (text === "[") return "; lists stand in parentheses";
  if (text === "$") return "; CloudEvents SQL does not see bodies";
  return suggestion(MEANT.get(text));
}

const MEANT: ReadonlyMap<string, string> = new Map([
  ["==", "="],
  ["!", "NOT"],
  ["&&", "AND"],
  ["||", "OR"],
]);
