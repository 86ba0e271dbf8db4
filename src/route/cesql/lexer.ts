import type { Token } from "../filter/lexer.ts";

/*
 *     name    = 1*( letter / digit / "_" ), and no number; letters are those of ASCII
 *     number  = 1*digit
 *     string  = "'" *( any character but "'" and "\" / "\" any character ) "'", or the same with double quotes
 *     symbol  = "=" / "!=" / "<>" / "<" / "<=" / ">" / ">=" / "+" / "-" / "*" / "/" / "%" / "(" / ")" / ","
 */
const TOKEN = new RegExp(
  [
    /(?<number>\d+)(?!\w)/,
    /(?<name>\w+)/,
    /(?<string>'[^'\\]*(?:\\[^][^'\\]*)*'|"[^"\\]*(?:\\[^][^"\\]*)*")/,
    /(?<unclosed>['"][^]*)/,
    /(?<symbol>(?!==)(?:[!<>]=|<>|[=<>+\-*/%(),]))/,
    /(?<unknown>==|&&|\|\||[^])/,
  ].map(({ source }) => source).join("|"),
  "uy",
);

const SPACE = /\s*/y;

/** Takes CloudEvents SQL apart, piece by piece; behind its end there is an `end` for ever. */
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
    if (offset === this.#text.length) return { kind: "end", text: "", offset };
    TOKEN.lastIndex = offset;
    const { number, name, string, unclosed, symbol, unknown = "" } = TOKEN.exec(this.#text)?.groups ?? {};
    this.#offset = TOKEN.lastIndex;
    if (number !== undefined) return { kind: "number", text: number, offset };
    if (name !== undefined) return { kind: "name", text: name, offset };
    if (string !== undefined) return { kind: "string", text: unquoted(string), offset };
    if (unclosed !== undefined) return { kind: "unclosed", text: unclosed, offset };
    if (symbol !== undefined) return { kind: "symbol", text: symbol, offset };
    return { kind: "unknown", text: unknown, offset };
  }
}

/** A backslash before the string's own quote is gone; any other one stays, which LIKE needs. */
function unquoted(string: string): string {
  const quote = string.charAt(0);
  return string.slice(1, -1).replace(/\\([^])/g, (pair, next) => next === quote ? quote : pair);
}
