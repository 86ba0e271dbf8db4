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

/** Columns that the spans take. */
export function widthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { text }) => sum + columnsOf(text), 0);
}

/** The spans, or as much of them as fits into so many columns. */
export function cut(spans: readonly Span[], columns: number): Span[] {
  const kept: Span[] = [];
  let left = columns;
  for (const span of spans) {
    const text = shorten(span.text, left);
    if (text !== "") kept.push({ ...span, text });
    if (text !== span.text) break;
    left -= columnsOf(text);
  }
  return kept;
}

/** The spans on one line, cut where it is full. */
export function render(spans: readonly Span[], { color, columns }: LineStyle): string {
  return cut(spans, columns)
    .map(({ text, style }) => color && style ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text)
    .join("")
    .trimEnd();
}
