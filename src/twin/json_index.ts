import { AsciiBuffer, WORD } from "./json_ascii.ts";

/**
 * Where the values of a JSON text stand: one node after the other in the order of the text. A node is three numbers:
 * its begin, its end, and the index of the node behind it and all that it contains. An object's children are a key and
 * a value by turns, an array's its items; the first child is the next node. Offsets are UTF-16 code units.
 */
export type JsonIndex = readonly number[];

/** Numbers in a node. */
export const NODE = 3;

/** Keys and values that a text may have: they take many times the memory of their text, and its lack ends the process. */
export const MOST_NODES = 1 << 22;

/** No node. */
export const NONE = -1;

/** The bytes of the text that was indexed last. */
export const indexed = new AsciiBuffer();

const SPACE = 0x20;
export const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
/** From an opening bracket or brace to the closing one. */
const TO_CLOSING = 2;

/** 1 for each byte that stands for itself in a string. */
const PLAIN = new Uint8Array(256).fill(1).fill(0, 0, SPACE);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

const WORDS = ["true", "false", "null"].map((word) => new TextEncoder().encode(word));

/** Where an index grows before it is copied; indexing is synchronous. */
const nodes: number[] = [];

/**
 * Reads a JSON text once, checking all of it; returns its index, or, as a number, the offset at which it is not JSON.
 * Nesting costs memory, no stack; of a text that would cost too much of it the offset is `NONE`.
 *
 *     value  = object / array / string / number / true / false / null
 *     object = "{" [ string ":" value *( "," string ":" value ) ] "}"
 *     array  = "[" [ value *( "," value ) ] "]"
 *
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export function indexJson(text: string): JsonIndex | number {
  const { bytes, view } = indexed.fill(text);
  let size = 0;
  /** The innermost array or object that is open; while it is, its third number is the one around it. */
  let parent = NONE;
  let closing = 0;
  let keyIsNext = false;
  let at = skipSpace(bytes, 0);
  for (;;) {
    if (size === MOST_NODES * NODE) {
      nodes.length = 0;
      return NONE;
    }
    const begin = at;
    const first = bytes[at] ?? 0;
    if (keyIsNext && first !== QUOTE) return at;
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      at = skipSpace(bytes, at + 1);
      if (bytes[at] !== first + TO_CLOSING) {
        nodes[size] = begin;
        nodes[size + 1] = NONE;
        nodes[size + 2] = parent;
        parent = size;
        size += NODE;
        closing = first + TO_CLOSING;
        keyIsNext = first === OPEN_BRACE;
        continue;
      }
      at++;
    } else {
      at = skipScalar(bytes, view, at);
      if (at < 0) return failedAt(at);
    }
    nodes[size] = begin;
    nodes[size + 1] = at;
    size += NODE;
    nodes[size - 1] = size;
    if (keyIsNext) {
      keyIsNext = false;
      at = skipSpace(bytes, at);
      if (bytes[at] !== COLON) return at;
      at = skipSpace(bytes, at + 1);
      continue;
    }

    for (;;) {
      at = skipSpace(bytes, at);
      if (parent === NONE) return at === text.length ? copied(size) : at;
      const next = bytes[at];
      if (next === COMMA) {
        at = skipSpace(bytes, at + 1);
        keyIsNext = closing === OPEN_BRACE + TO_CLOSING;
        break;
      }
      if (next !== closing) return at;
      at++;
      const outer = nodes[parent + 2] ?? NONE;
      nodes[parent + 1] = at;
      nodes[parent + 2] = size;
      parent = outer;
      if (parent !== NONE) closing = (bytes[nodes[parent] ?? 0] ?? 0) + TO_CLOSING;
    }
  }
}

function copied(size: number): JsonIndex {
  const index = nodes.slice(0, size);
  // What one enormous text needed is not kept for the rest.
  if (size > 1 << 16) nodes.length = 0;
  return index;
}

/*
 * The skip functions take the offset of a token's first byte and return the offset behind its last; of what is no such
 * token they return `failure(offset)`. Behind the end of the text they find 0, which is nowhere in JSON.
 */

function failure(at: number): number {
  return -1 - at;
}

function failedAt(result: number): number {
  return -1 - result;
}

function skipSpace(bytes: Uint8Array, at: number): number {
  for (;;) {
    const byte = bytes[at] ?? 0;
    if (byte > SPACE || (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at;
    at++;
  }
}

/** A string, a number, `true`, `false` or `null`. */
export function skipScalar(bytes: Uint8Array, view: DataView, at: number): number {
  const first = bytes[at] ?? 0;
  if (first === QUOTE) return skipString(bytes, view, at);
  return first === MINUS || (first >= ZERO && first <= NINE) ? skipNumber(bytes, at) : skipWord(bytes, at);
}

/** `string = %x22 *( %x20-21 / %x23-5B / %x5D-10FFFF / escape ) %x22` */
function skipString(bytes: Uint8Array, view: DataView, at: number): number {
  at++;
  for (;;) {
    while (isPlain(view.getInt32(at, true))) at += WORD;
    while (PLAIN[bytes[at] ?? 0] === 1) at++;
    if (bytes[at] === QUOTE) return at + 1;
    if (bytes[at] !== BACKSLASH) return failure(at);
    at = skipEscape(bytes, at);
    if (at < 0) return at;
  }
}

/**
 * Whether none of the four ASCII bytes is a quote, a backslash or a control character: subtracting makes the high bit of
 * one that is too small for it, and XOR makes 0 of quotes and backslashes.
 */
function isPlain(word: number): boolean {
  const noQuotes = (word ^ 0x22222222) - 0x01010101;
  const noBackslashes = (word ^ 0x5c5c5c5c) - 0x01010101;
  return ((noQuotes | noBackslashes | (word - 0x20202020)) & 0x80808080) === 0;
}

/** `escape = %x5C ( %x22 / %x5C / "/" / "b" / "f" / "n" / "r" / "t" / "u" 4HEXDIG )` */
function skipEscape(bytes: Uint8Array, at: number): number {
  switch (bytes[at + 1]) {
    case QUOTE:
    case BACKSLASH:
    case SLASH:
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2;
    case 0x75: // u
      for (let digit = at + 2; digit < at + 6; digit++) {
        if (!isHexDigit(bytes[digit] ?? 0)) return failure(digit);
      }
      return at + 6;
    default:
      return failure(at + 1);
  }
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= ZERO && byte <= NINE) || (lower >= 0x61 && lower <= 0x66);
}

/** `number = [ "-" ] ( "0" / digit1-9 *digit ) [ "." 1*digit ] [ ( "e" / "E" ) [ "+" / "-" ] 1*digit ]` */
function skipNumber(bytes: Uint8Array, at: number): number {
  if (bytes[at] === MINUS) at++;
  at = bytes[at] === ZERO ? at + 1 : skipDigits(bytes, at);
  if (bytes[at] === DOT) at = skipDigits(bytes, at + 1);
  if (at > 0 && ((bytes[at] ?? 0) | 0x20) === 0x65) {
    const sign = bytes[at + 1];
    at = skipDigits(bytes, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }
  return at;
}

function skipDigits(bytes: Uint8Array, at: number): number {
  const begin = at;
  for (;;) {
    const byte = bytes[at] ?? 0;
    if (byte < ZERO || byte > NINE) return at === begin ? failure(at) : at;
    at++;
  }
}

function skipWord(bytes: Uint8Array, at: number): number {
  for (const word of WORDS) {
    let length = 0;
    while (length < word.length && bytes[at + length] === word[length]) length++;
    if (length === word.length) return at + length;
  }
  return failure(at);
}
