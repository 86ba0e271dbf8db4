/** A filter that does not parse. */
export class FilterError extends Error {
  override readonly name = "FilterError";
  /** The filter. */
  readonly text: string;
  /** Where in the filter, in characters, 1-based; one behind the last for what is missing at the end. */
  readonly column: number;

  /** `offset` is in UTF-16 code units. */
  constructor(text: string, offset: number, problem: string) {
    const column = Array.from(text.slice(0, offset)).length + 1;
    super(`Cannot read the filter at column ${column}: ${problem}`);
    this.text = text;
    this.column = column;
  }
}
