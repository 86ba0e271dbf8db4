// `ignoreBOM`: a byte order mark is text like any other; without it the decoder would swallow one.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Text that PostgreSQL sent in client encoding UTF8. Bytes that are not UTF-8 become U+FFFD: only a database with
 * encoding SQL_ASCII sends such, and stopping for good at one of its names or values would help nobody.
 */
export function utf8Text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
