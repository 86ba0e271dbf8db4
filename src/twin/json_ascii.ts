/** Bytes that `Ascii.words` reads at once. */
export const WORD = 4;

/** A text as bytes, one for each code unit and 0 behind them. */
export interface Ascii {
  readonly bytes: Uint8Array;
  /** The same bytes, of which four can be read at once, up to the one behind the text. */
  readonly words: DataView;
  /** Whether the bytes are the text: what is not ASCII is told by a byte that stands for any of it. */
  readonly isExact: boolean;
}

const encoder = new TextEncoder();

/**
 * Makes bytes of texts, because an index into a byte array costs a fraction of `charCodeAt`. Of JSON, what is not ASCII
 * can only stand in strings, where one character is as good as another.
 */
export class AsciiBuffer {
  /** For texts of usual length; larger ones are rare enough for arrays of their own. */
  readonly #usual = allocate(1 << 16);
  #text: string | undefined;
  #ascii: Ascii = { ...this.#usual, isExact: true };

  /** The text's bytes, until the next call. */
  fill(text: string): Ascii {
    if (text === this.#text) return this.#ascii;
    const size = text.length + WORD;
    const { bytes, words } = size <= this.#usual.bytes.length ? this.#usual : allocate(size);
    const { read, written } = encoder.encodeInto(text, bytes);
    const isExact = read === written;
    // deno-lint-ignore no-control-regex
    if (!isExact) encoder.encodeInto(text.replace(/[^\x00-\x7f]/g, "?"), bytes);
    bytes[text.length] = 0;
    this.#text = text;
    this.#ascii = { bytes, words, isExact };
    return this.#ascii;
  }
}

function allocate(size: number): Pick<Ascii, "bytes" | "words"> {
  const bytes = new Uint8Array(size);
  return { bytes, words: new DataView(bytes.buffer) };
}
