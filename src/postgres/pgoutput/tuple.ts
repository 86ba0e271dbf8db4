import { ByteReader } from "../byte_reader.ts";
import { ProtocolError } from "../protocol_error.ts";
import { utf8Text } from "../utf8.ts";
import type { Tuple, TupleColumnKind } from "../wal_message.ts";

/**
 * ```text
 * TupleData
 *   Int16     number of columns
 *   for each  Byte1  'n' null
 *                    'u' unchanged TOAST, whose value is not sent
 *                    't' text, 'b' binary; then
 *                      Int32  length
 *                      Byten  value
 * ```
 * Walks over a row, so that whatever is malformed throws here. Only where the row begins is kept: its few columns
 * are found again by walking when somebody asks, which is cheaper than any table of their offsets.
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export function readTuple(reader: ByteReader, payload: Uint8Array): Tuple {
  const start = reader.offset;
  const columnCount = reader.int16();
  if (columnCount < 0) throw new ProtocolError(`Cannot read row: it has ${columnCount} columns`, start);
  const columnsStart = reader.offset;
  for (let column = 0; column < columnCount; column++) skipColumn(reader);
  return new PayloadTuple(payload, columnsStart, columnCount);
}

/** A row inside of the payload that carried it, which has been walked over once. */
class PayloadTuple implements Tuple {
  readonly columnCount: number;
  readonly #payload: Uint8Array;
  readonly #columnsStart: number;

  constructor(payload: Uint8Array, columnsStart: number, columnCount: number) {
    this.#payload = payload;
    this.#columnsStart = columnsStart;
    this.columnCount = columnCount;
  }

  kind(column: number): TupleColumnKind {
    return readColumnKind(this.#readerAt(column));
  }

  bytes(column: number): Uint8Array | undefined {
    const reader = this.#readerAt(column);
    return hasValue(readColumnKind(reader)) ? reader.view(reader.int32()) : undefined;
  }

  text(column: number): string | undefined {
    const bytes = this.bytes(column);
    return bytes && utf8Text(bytes);
  }

  #readerAt(column: number): ByteReader {
    if (!(column >= 0 && column < this.columnCount)) {
      throw new RangeError(`Cannot read column ${column}: the row has ${this.columnCount}`);
    }
    columnReader.reset(this.#payload).skip(this.#columnsStart);
    for (let passed = 0; passed < column; passed++) skipColumn(columnReader);
    return columnReader;
  }
}

/** Shared by all tuples: each use of it begins and ends within one call. */
const columnReader = new ByteReader();

function skipColumn(reader: ByteReader): void {
  if (hasValue(readColumnKind(reader))) reader.skip(reader.int32());
}

function hasValue(kind: TupleColumnKind): boolean {
  return kind === "text" || kind === "binary";
}

function readColumnKind(reader: ByteReader): TupleColumnKind {
  const offset = reader.offset;
  const letter = reader.character();
  switch (letter) {
    case "t":
      return "text";
    case "n":
      return "null";
    case "u":
      return "unchanged";
    case "b":
      return "binary";
    default:
      throw new ProtocolError(`Cannot read column: '${letter}' is no kind of value`, offset);
  }
}
