import { columnsOf, shorten } from "./terminal_text.ts";

/** `select graphic rendition` codes; of the colours the first 16, which every theme keeps readable. */
const CODES = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 } as const;

/** Printable text in one style. */
export interface Span {
  readonly text: string;
  readonly style?: keyof typeof CODES;
}

/** How lines look. */
export interface LineStyle {
  readonly color: boolean;
  /** Columns that a line may take. */
  readonly columns: number;
}

/** The spans on one line, cut where it is full. */
export function render(spans: readonly Span[], { color, columns }: LineStyle): string {
  let line = "";
  let left = columns;
  for (const { text, style } of spans) {
    const piece = shorten(text, left);
    line += color && style && piece ? `\x1b[${CODES[style]}m${piece}\x1b[0m` : piece;
    left -= columnsOf(piece);
    if (piece !== text) break;
  }
  return line.trimEnd();
}
