import { quoted } from "../../config/problem.ts";
import { FilterError } from "./filter_error.ts";
import type { Token } from "./lexer.ts";

/** In UTF-16 code units. */
const LONGEST = 10_000;

/** Parentheses and operators within each other; keeps the stack small whatever the filter. */
const DEEPEST = 100;

/** Takes the pieces of a filter one by one, in whichever language it is, and tells of one that is not what can stand there. */
export class TokenReader {
  readonly #text: string;
  readonly #lexer: { next(): Token };
  readonly #hintFor: (token: Token) => string;
  #token: Token;
  #depth = 0;

  /**
   * `hintFor` says what may have been meant by what stands where it cannot, after a semicolon, or nothing.
   * @throws {FilterError} if the text is too long
   */
  constructor(text: string, lexer: { next(): Token }, hintFor: (token: Token) => string) {
    if (text.length > LONGEST) {
      throw new FilterError(text, LONGEST, `expected the end after at most ${LONGEST} characters`);
    }
    this.#text = text;
    this.#lexer = lexer;
    this.#hintFor = hintFor;
    this.#token = lexer.next();
  }

  /** The next one. */
  get token(): Token {
    return this.#token;
  }

  advance(): void {
    this.#token = this.#lexer.next();
  }

  isSymbol(symbol: string): boolean {
    return this.#token.kind === "symbol" && this.#token.text === symbol;
  }

  takeSymbol(symbol: string): boolean {
    const isHere = this.isSymbol(symbol);
    if (isHere) this.advance();
    return isHere;
  }

  expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) this.fail(`'${symbol}'`);
  }

  /** In any case; the keyword is given in small letters. */
  takeKeyword(keyword: string): boolean {
    const isHere = this.#token.kind === "name" && this.#token.text.toLowerCase() === keyword;
    if (isHere) this.advance();
    return isHere;
  }

  /** Reads what `begin` opened. */
  nested<Read>(begin: Token, read: () => Read): Read {
    if (++this.#depth > DEEPEST) this.failAt(begin, `at most ${DEEPEST} levels of nesting`);
    const found = read();
    this.#depth--;
    return found;
  }

  /** @throws {FilterError} */
  fail(expected: string): never {
    this.failAt(this.#token, expected, this.#hintFor(this.#token));
  }

  /** @throws {FilterError} */
  failAt(token: Token, expected: string, hint = ""): never {
    throw this.errorAt(token, expected, hint);
  }

  errorAt(token: Token, expected: string, hint = ""): FilterError {
    return new FilterError(this.#text, token.offset, `expected ${expected}, found ${nameOf(token)}${hint}`);
  }
}

/** A hint at what was meant; none at what is not known. */
export function suggestion(meant: string | undefined): string {
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

function nameOf({ kind, text }: Token): string {
  if (kind === "end") return "the end";
  return kind === "unclosed" ? "a string without its closing quote" : quoted(text);
}
