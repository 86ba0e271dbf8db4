/**
 * A piece of a filter. What stands nowhere in the language is `unknown`, and a string without its closing quote
 * `unclosed`, for the parser to refuse in its place.
 */
export interface Token {
  readonly kind: "name" | "number" | "string" | "symbol" | "unclosed" | "unknown" | "end";
  /** As it is written; of a string its value. */
  readonly text: string;
  /** In UTF-16 code units. */
  readonly offset: number;
}

/*
 *     name   = ( letter / "$" / "_" ) *( letter / digit / "$" / "_" )
 *     number = as in JSON
 *     string = "'" *( any character but "'" / "''" ) "'"
 *     symbol = "=" / "!=" / "<" / "<=" / ">" / ">=" / "(" / ")" / "[" / "]" / "," / "."
 */
const TOKEN = new RegExp(
  [
    /(?<name>[$_\p{L}][$_\p{L}\p{M}\p{N}]*)/u,
    /(?<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/u,
    /'(?<string>[^']*(?:''[^']*)*)'/u,
    /(?<symbol>(?!==|<>)(?:[!<>]=|[=<>()[\],.]))/u,
    /(?<unclosed>'[^]*)/u,
    /(?<unknown>==|<>|&&|\|\||[^])/u,
  ].map(({ source }) => source).join("|"),
  "uy",
);

const SPACE = /\s*/y;

/** Takes a filter apart, piece by piece; behind its end there is an `end` for ever. */
export class Lexer {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): Token {
    SPACE.lastIndex = this.#offset;
    SPACE.test(this.#text);
    const offset = SPACE.lastIndex;
    TOKEN.lastIndex = offset;
    const groups = TOKEN.exec(this.#text)?.groups ?? {};
    if (TOKEN.lastIndex > offset) this.#offset = TOKEN.lastIndex;
    const { name, number, string, symbol, unclosed, unknown } = groups;
    if (name !== undefined) return { kind: "name", text: name, offset };
    if (number !== undefined) return { kind: "number", text: number, offset };
    if (string !== undefined) return { kind: "string", text: string.replaceAll("''", "'"), offset };
    if (symbol !== undefined) return { kind: "symbol", text: symbol, offset };
    if (unclosed !== undefined) return { kind: "unclosed", text: unclosed, offset };
    return unknown === undefined
      ? { kind: "end", text: "", offset }
      : { kind: "unknown", text: unknown, offset };
  }
}
