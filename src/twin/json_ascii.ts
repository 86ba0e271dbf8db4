/** Bytes in a word. */
export const WORD = 4;

/** A text as bytes, one for each code unit and 0 behind them. */
export interface Ascii {
  readonly bytes: Uint8Array;
  /** The same bytes by words, as far as there are whole ones. */
  readonly words: Int32Array;
  /** The same bytes, of which a word can be read from anywhere in the text, and from behind it. */
  readonly view: DataView;
  /** Whether the bytes are the text: what is not ASCII is told by a byte that stands for any of it. */
  readonly isExact: boolean;
}

const QUESTION_MARK = 0x3f;

const encoder = new TextEncoder();

/**
 * Makes bytes of texts, because an index into a byte array costs a fraction of `charCodeAt`. Of JSON, what is not ASCII
 * can only stand in strings, where one character is as good as another.
 */
export class AsciiBuffer {
  /** For texts of usual length; larger ones are rare enough for arrays of their own. */
  readonly #usual = allocate(1 << 16);
  #text: string | undefined;
  #ascii: Ascii = this.#usual;

  /** The text's bytes, until the next call. */
  fill(text: string): Ascii {
    if (text === this.#text) return this.#ascii;
    const size = text.length + WORD;
    const isUsual = size <= this.#usual.bytes.length;
    const { bytes, words, view } = isUsual ? this.#usual : allocate(size);
    const { read, written } = encoder.encodeInto(text, bytes);
    const isExact = read === written;
    if (!isExact) standIn(text, bytes);
    bytes[text.length] = 0;
    const ascii = { bytes, words, view, isExact };
    if (isUsual) {
      this.#text = text;
      this.#ascii = ascii;
    }
    return ascii;
  }
}

/** Not by a regular expression, which takes a minute and gigabytes for what a text of 200 MB can hold. */
function standIn(text: string, bytes: Uint8Array): void {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    bytes[at] = code < 0x80 ? code : QUESTION_MARK;
  }
}

function allocate(size: number): Ascii {
  const bytes = new Uint8Array(size);
  const words = new Int32Array(bytes.buffer, 0, Math.floor(size / WORD));
  return { bytes, words, view: new DataView(bytes.buffer), isExact: true };
}
