import { closest } from "../../config/closest.ts";
import { quoted } from "../../config/problem.ts";
import { JsonText } from "../../twin/json_text.ts";
import type { Expression, Operand, Place } from "./expression.ts";
import { FilterError } from "./filter_error.ts";
import { Lexer, type Token } from "./lexer.ts";

/** In UTF-16 code units. */
const LONGEST = 10_000;

/** Parentheses and NOTs within each other; keeps the stack small whatever the filter. */
const DEEPEST = 100;

const COMPARISONS = ["=", "!=", "<", "<=", ">", ">="] as const;
const TEXT_FUNCTIONS = ["STARTS_WITH", "ENDS_WITH", "CONTAINS"] as const;
const TYPE_FUNCTIONS = ["IS_NUMBER", "IS_STRING", "IS_BOOL", "IS_OBJECT"] as const;
const FUNCTIONS = [...TEXT_FUNCTIONS, "IS_DEFINED", "IS_OF_MODEL", ...TYPE_FUNCTIONS] as const;
const LITERALS = ["TRUE", "FALSE", "NULL"] as const;
const KEYWORDS = [...LITERALS, "AND", "OR", "NOT", "IN", "NIN"] as const;

const TRUE = JsonText.parse("true");
const FALSE = JsonText.parse("false");

/**
 * Reads a filter.
 *
 *     filter     = or
 *     or         = and *( OR and )
 *     and        = not *( AND not )
 *     not        = NOT not / primary
 *     primary    = "(" or ")" / function / comparison / TRUE / FALSE
 *     function   = ( STARTS_WITH / ENDS_WITH / CONTAINS ) "(" operand "," operand ")"
 *                / ( IS_NUMBER / IS_STRING / IS_BOOL / IS_OBJECT ) "(" operand ")"
 *                / IS_DEFINED "(" place ")"
 *                / IS_OF_MODEL "(" string [ "," EXACT ] ")"
 *     comparison = operand ( "=" / "!=" / "<" / "<=" / ">" / ">=" ) operand
 *                / operand ( IN / NIN ) "[" [ operand *( "," operand ) ] "]"
 *     operand    = place / string / number / TRUE / FALSE / NULL
 *     place      = attribute / "$body" *( "." name / "[" string "]" / "[" index "]" )
 *
 * Words are understood in any case; an attribute is lower-case letters and digits, as CloudEvents has it.
 * @throws {FilterError}
 */
export function parseFilter(text: string): Expression {
  if (text.length > LONGEST) {
    throw new FilterError(text, LONGEST, `expected the end after at most ${LONGEST} characters`);
  }
  return new Parser(text).filter();
}

class Parser {
  readonly #text: string;
  readonly #lexer: Lexer;
  #token: Token;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#lexer = new Lexer(text);
    this.#token = this.#lexer.next();
  }

  filter(): Expression {
    const expression = this.#or();
    if (this.#token.kind !== "end") this.#fail("AND, OR or the end");
    return expression;
  }

  #or(): Expression {
    return this.#joined("or", () => this.#joined("and", () => this.#not()));
  }

  #joined(kind: "and" | "or", read: () => Expression): Expression {
    const first = read();
    const terms = [first];
    while (this.#takeKeyword(kind)) terms.push(read());
    return terms.length === 1 ? first : { kind, terms };
  }

  #not(): Expression {
    const begin = this.#token;
    if (!this.#takeKeyword("not")) return this.#primary();
    return { kind: "not", term: this.#nested(begin, () => this.#not()) };
  }

  #primary(): Expression {
    const begin = this.#token;
    if (this.#takeSymbol("(")) {
      const expression = this.#nested(begin, () => this.#or());
      if (!this.#takeSymbol(")")) this.#fail("AND, OR or ')'");
      return expression;
    }
    if (begin.kind === "name" && begin.text !== "$body" && !isOneOf(KEYWORDS, begin.text)) {
      this.#advance();
      if (this.#isSymbol("(")) return this.#call(begin);
      return this.#comparison(this.#attribute(begin, "a comparison"));
    }
    return this.#comparison(this.#operand("a comparison, a function, NOT, '(', true or false"));
  }

  #call(name: Token): Expression {
    const called = FUNCTIONS.find((known) => known === name.text.toUpperCase());
    if (!called) this.#failAt(name, "a function", suggestion(closest(name.text.toUpperCase(), FUNCTIONS)));
    this.#takeSymbol("(");
    const expression = this.#arguments(called);
    this.#expectSymbol(")");
    return expression;
  }

  #arguments(called: (typeof FUNCTIONS)[number]): Expression {
    switch (called) {
      case "STARTS_WITH":
      case "ENDS_WITH":
      case "CONTAINS": {
        const operand = this.#operand("a value");
        this.#expectSymbol(",");
        return { kind: "text", function: called, operand, part: this.#operand("a value") };
      }
      case "IS_NUMBER":
      case "IS_STRING":
      case "IS_BOOL":
      case "IS_OBJECT":
        return { kind: "type", function: called, operand: this.#operand("a value") };
      case "IS_DEFINED": {
        const begin = this.#token;
        const place = this.#operand(PLACE);
        return place.kind === "literal" ? this.#failAt(begin, PLACE) : { kind: "defined", place };
      }
      case "IS_OF_MODEL": {
        const { kind, text: model } = this.#token;
        if (kind !== "string" || !model.startsWith("dtmi:")) {
          this.#fail("a model's id such as 'dtmi:example:Room;1'");
        }
        this.#advance();
        const exact = this.#takeSymbol(",");
        if (exact && !this.#takeKeyword("exact")) this.#fail("'exact'");
        return { kind: "model", model, exact };
      }
      default:
        return called satisfies never;
    }
  }

  #comparison(left: Operand): Expression {
    const operator = COMPARISONS.find((known) => this.#takeSymbol(known));
    if (operator) return { kind: "comparison", operator, left, right: this.#operand("a value") };
    if (this.#takeKeyword("in")) {
      return { kind: "membership", operator: "IN", operand: left, list: this.#list() };
    }
    if (this.#takeKeyword("nin")) {
      return { kind: "membership", operator: "NIN", operand: left, list: this.#list() };
    }
    if (left.kind === "literal" && (left.value === TRUE || left.value === FALSE)) {
      return { kind: "constant", value: left.value === TRUE };
    }
    return this.#fail("=, !=, <, <=, >, >=, IN or NIN");
  }

  #list(): readonly Operand[] {
    const list: Operand[] = [];
    this.#expectSymbol("[");
    if (this.#takeSymbol("]")) return list;
    do list.push(this.#operand("a value")); while (this.#takeSymbol(","));
    if (!this.#takeSymbol("]")) this.#fail("',' or ']'");
    return list;
  }

  #operand(expected: string): Operand {
    const token = this.#token;
    switch (token.kind) {
      case "string":
        this.#advance();
        return { kind: "literal", value: token.text };
      case "number":
        this.#advance();
        return { kind: "literal", value: JsonText.parse(token.text) };
      case "name":
        if (token.text === "$body") {
          this.#advance();
          return { kind: "body", path: this.#path() };
        }
        if (this.#takeKeyword("true")) return { kind: "literal", value: TRUE };
        if (this.#takeKeyword("false")) return { kind: "literal", value: FALSE };
        if (this.#takeKeyword("null")) return { kind: "literal", value: null };
        if (isOneOf(KEYWORDS, token.text)) this.#fail(expected);
        this.#advance();
        return this.#attribute(token, expected);
      default:
        return this.#fail(expected);
    }
  }

  #attribute(token: Token, expected: string): Place {
    const { text: name } = token;
    if (name === "data" || name.startsWith("$")) this.#failAt(token, expected, suggestion("$body"));
    if (!/^[a-z0-9]+$/.test(name)) {
      this.#failAt(token, expected, "; attributes have small letters and digits, strings single quotes");
    }
    return { kind: "attribute", name };
  }

  #path(): readonly (string | number)[] {
    const path: (string | number)[] = [];
    for (;;) {
      if (this.#takeSymbol(".")) {
        const { kind, text } = this.#token;
        if (kind !== "name") this.#fail("a name, or ['name'] for one with other characters");
        path.push(text);
      } else if (this.#takeSymbol("[")) {
        const { kind, text } = this.#token;
        if (kind !== "string" && !(kind === "number" && /^\d+$/.test(text))) {
          this.#fail("an index or 'a key'");
        }
        path.push(kind === "string" ? text : Number(text));
        this.#advance();
        if (!this.#isSymbol("]")) this.#fail("']'");
      } else return path;
      this.#advance();
    }
  }

  /** Reads what `begin` opened. */
  #nested(begin: Token, read: () => Expression): Expression {
    if (++this.#depth > DEEPEST) this.#failAt(begin, `at most ${DEEPEST} levels of nesting`);
    const expression = read();
    this.#depth--;
    return expression;
  }

  #advance(): void {
    this.#token = this.#lexer.next();
  }

  #isSymbol(symbol: string): boolean {
    return this.#token.kind === "symbol" && this.#token.text === symbol;
  }

  #takeSymbol(symbol: string): boolean {
    const isHere = this.#isSymbol(symbol);
    if (isHere) this.#advance();
    return isHere;
  }

  #expectSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) this.#fail(`'${symbol}'`);
  }

  #takeKeyword(keyword: string): boolean {
    const isHere = this.#token.kind === "name" && this.#token.text.toLowerCase() === keyword;
    if (isHere) this.#advance();
    return isHere;
  }

  #fail(expected: string): never {
    this.#failAt(this.#token, expected, hintFor(this.#token));
  }

  #failAt(token: Token, expected: string, hint = ""): never {
    throw new FilterError(this.#text, token.offset, `expected ${expected}, found ${nameOf(token)}${hint}`);
  }
}

const PLACE = "an attribute or a path such as $body.Temperature";

function isOneOf(words: readonly string[], word: string): boolean {
  return words.includes(word.toUpperCase());
}

function suggestion(meant: string | undefined): string {
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

function nameOf({ kind, text }: Token): string {
  if (kind === "end") return "the end";
  return kind === "unknown" && text.startsWith("'") ? "a string without its closing quote" : quoted(text);
}

/** What may have been meant by what stands where it cannot. */
function hintFor({ kind, text }: Token): string {
  if (kind !== "unknown") return "";
  if (text === '"') return "; strings stand in single quotes";
  if (text === "-") return "; a key with other characters is written $body['a-key']";
  return suggestion(MEANT.get(text));
}

const MEANT: ReadonlyMap<string, string> = new Map([
  ["==", "="],
  ["<>", "!="],
  ["!", "NOT"],
  ["&&", "AND"],
  ["||", "OR"],
]);
