import { closest } from "../../config/closest.ts";
import { JsonText } from "../../twin/json_text.ts";
import type { Expression, Operand, Place } from "./expression.ts";
import { Lexer, type Token } from "./lexer.ts";
import { suggestion, TokenReader } from "./token_reader.ts";

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
  return new Parser(text).filter();
}

class Parser {
  readonly #tokens: TokenReader;

  constructor(text: string) {
    this.#tokens = new TokenReader(text, new Lexer(text), hintFor);
  }

  filter(): Expression {
    const expression = this.#or();
    if (this.#tokens.token.kind !== "end") this.#tokens.fail("AND, OR or the end");
    return expression;
  }

  #or(): Expression {
    return this.#joined("or", () => this.#joined("and", () => this.#not()));
  }

  #joined(kind: "and" | "or", read: () => Expression): Expression {
    const first = read();
    const terms = [first];
    while (this.#tokens.takeKeyword(kind)) terms.push(read());
    return terms.length === 1 ? first : { kind, terms };
  }

  #not(): Expression {
    const begin = this.#tokens.token;
    if (!this.#tokens.takeKeyword("not")) return this.#primary();
    return { kind: "not", term: this.#tokens.nested(begin, () => this.#not()) };
  }

  #primary(): Expression {
    const begin = this.#tokens.token;
    if (this.#tokens.takeSymbol("(")) {
      const expression = this.#tokens.nested(begin, () => this.#or());
      if (!this.#tokens.takeSymbol(")")) this.#tokens.fail("AND, OR or ')'");
      return expression;
    }
    if (begin.kind === "name" && begin.text !== "$body" && !isOneOf(KEYWORDS, begin.text)) {
      this.#tokens.advance();
      if (this.#tokens.isSymbol("(")) return this.#call(begin);
      return this.#comparison(this.#attribute(begin, "a comparison"));
    }
    return this.#comparison(this.#operand("a comparison, a function, NOT, '(', true or false"));
  }

  #call(name: Token): Expression {
    const called = FUNCTIONS.find((known) => known === name.text.toUpperCase());
    if (!called) {
      this.#tokens.failAt(name, "a function", suggestion(closest(name.text.toUpperCase(), FUNCTIONS)));
    }
    this.#tokens.takeSymbol("(");
    const expression = this.#arguments(called);
    this.#tokens.expectSymbol(")");
    return expression;
  }

  #arguments(called: (typeof FUNCTIONS)[number]): Expression {
    switch (called) {
      case "STARTS_WITH":
      case "ENDS_WITH":
      case "CONTAINS": {
        const operand = this.#operand("a value");
        this.#tokens.expectSymbol(",");
        return { kind: "text", function: called, operand, part: this.#operand("a value") };
      }
      case "IS_NUMBER":
      case "IS_STRING":
      case "IS_BOOL":
      case "IS_OBJECT":
        return { kind: "type", function: called, operand: this.#operand("a value") };
      case "IS_DEFINED": {
        const begin = this.#tokens.token;
        const place = this.#operand(PLACE);
        return place.kind === "literal" ? this.#tokens.failAt(begin, PLACE) : { kind: "defined", place };
      }
      case "IS_OF_MODEL": {
        const { kind, text: model } = this.#tokens.token;
        if (kind !== "string" || !model.startsWith("dtmi:")) {
          this.#tokens.fail("a model's id such as 'dtmi:example:Room;1'");
        }
        this.#tokens.advance();
        const exact = this.#tokens.takeSymbol(",");
        if (exact && !this.#tokens.takeKeyword("exact")) this.#tokens.fail("'exact'");
        return { kind: "model", model, exact };
      }
      default:
        return called satisfies never;
    }
  }

  #comparison(left: Operand): Expression {
    const operator = COMPARISONS.find((known) => this.#tokens.takeSymbol(known));
    if (operator) return { kind: "comparison", operator, left, right: this.#operand("a value") };
    if (this.#tokens.takeKeyword("in")) {
      return { kind: "membership", operator: "IN", operand: left, list: this.#list() };
    }
    if (this.#tokens.takeKeyword("nin")) {
      return { kind: "membership", operator: "NIN", operand: left, list: this.#list() };
    }
    if (left.kind === "literal" && (left.value === TRUE || left.value === FALSE)) {
      return { kind: "constant", value: left.value === TRUE };
    }
    return this.#tokens.fail("=, !=, <, <=, >, >=, IN or NIN");
  }

  #list(): readonly Operand[] {
    const list: Operand[] = [];
    this.#tokens.expectSymbol("[");
    if (this.#tokens.takeSymbol("]")) return list;
    do list.push(this.#operand("a value")); while (this.#tokens.takeSymbol(","));
    if (!this.#tokens.takeSymbol("]")) this.#tokens.fail("',' or ']'");
    return list;
  }

  #operand(expected: string): Operand {
    const token = this.#tokens.token;
    switch (token.kind) {
      case "string":
        this.#tokens.advance();
        return { kind: "literal", value: token.text };
      case "number":
        this.#tokens.advance();
        return { kind: "literal", value: JsonText.parse(token.text) };
      case "name":
        if (token.text === "$body") {
          this.#tokens.advance();
          return { kind: "body", path: this.#path() };
        }
        if (this.#tokens.takeKeyword("true")) return { kind: "literal", value: TRUE };
        if (this.#tokens.takeKeyword("false")) return { kind: "literal", value: FALSE };
        if (this.#tokens.takeKeyword("null")) return { kind: "literal", value: null };
        if (isOneOf(KEYWORDS, token.text)) this.#tokens.fail(expected);
        this.#tokens.advance();
        return this.#attribute(token, expected);
      default:
        return this.#tokens.fail(expected);
    }
  }

  #attribute(token: Token, expected: string): Place {
    const { text: name } = token;
    if (name === "data" || name.startsWith("$")) this.#tokens.failAt(token, expected, suggestion("$body"));
    if (!/^[a-z0-9]+$/.test(name)) {
      this.#tokens.failAt(
        token,
        expected,
        "; attributes have small letters and digits, strings single quotes",
      );
    }
    return { kind: "attribute", name };
  }

  #path(): readonly (string | number)[] {
    const path: (string | number)[] = [];
    for (;;) {
      if (this.#tokens.takeSymbol(".")) {
        const { kind, text } = this.#tokens.token;
        if (kind !== "name") this.#tokens.fail("a name, or ['name'] for one with other characters");
        path.push(text);
      } else if (this.#tokens.takeSymbol("[")) {
        const { kind, text } = this.#tokens.token;
        if (kind !== "string" && !(kind === "number" && /^\d+$/.test(text))) {
          this.#tokens.fail("an index or 'a key'");
        }
        path.push(kind === "string" ? text : Number(text));
        this.#tokens.advance();
        if (!this.#tokens.isSymbol("]")) this.#tokens.fail("']'");
      } else return path;
      this.#tokens.advance();
    }
  }
}

const PLACE = "an attribute or a path such as $body.Temperature";

function isOneOf(words: readonly string[], word: string): boolean {
  return words.includes(word.toUpperCase());
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
