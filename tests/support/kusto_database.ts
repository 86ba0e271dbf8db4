import assert from "node:assert/strict";

/** A row, and the line of JSON that it was made of. */
export interface KustoRow {
  readonly line: string;
  /** By column; null where the line has no such member. */
  readonly values: Readonly<Record<string, unknown>>;
}

interface KustoTable {
  /** Types by name, in order. */
  readonly columns: Map<string, string>;
  readonly mappings: Map<string, string>;
  readonly rows: KustoRow[];
}

/** What a command or a request gets wrong, in the service's manner. */
export class KustoProblem extends Error {
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

const TYPES = ["string", "datetime", "dynamic", "bool"];

/** Tables, as far as they can be made by command and filled through JSON mappings. Whatever else is asked is an error. */
export class KustoDatabase {
  readonly tables = new Map<string, KustoTable>();

  /** Runs a command that makes a table or a mapping. */
  command(csl: string): void {
    const words = new Words(csl);
    if (words.take(/\.create-merge table /y)) return this.#mergeTable(words);
    if (words.take(/\.create-or-alter table /y)) return this.#setMapping(words);
    throw new KustoProblem("Syntax", `not a command that is expected: ${csl}`);
  }

  /** Adds the rows of JSON lines, by a mapping of the table's or one that is given; all of them or none. */
  ingest(tableName: string, text: string, mapping: { reference: string } | { inline: string }): void {
    const table = this.table(tableName);
    const json = "inline" in mapping ? mapping.inline : table.mappings.get(mapping.reference);
    if (json === undefined) throw new KustoProblem("MappingReferenceWasNotFoundException", "no such mapping");
    const columns = readMapping(json, table);
    assert(text.endsWith("\n"), "the last line has no end");
    table.rows.push(...text.slice(0, -1).split("\n").map((line) => rowOf(line, columns, table)));
  }

  table(name: string): KustoTable {
    const table = this.tables.get(name);
    if (!table) {
      throw new KustoProblem("EntityNotFoundException", `Entity ID '${name}' of kind 'Table' was not found.`);
    }
    return table;
  }

  #mergeTable(words: Words): void {
    const name = words.name();
    words.expect(/ \(/y);
    const table = this.tables.get(name) ?? { columns: new Map(), mappings: new Map(), rows: [] };
    do {
      const column = words.name();
      const [, type = ""] = words.expect(/:(\w+)/y);
      assert(TYPES.includes(type), `no type ${type}`);
      const present = table.columns.get(column) ?? type;
      if (present !== type) {
        throw new KustoProblem("ConflictException", `the column ${column} is a ${present}`);
      }
      table.columns.set(column, type);
    } while (words.take(/, /y));
    words.expect(/\)$/y);
    this.tables.set(name, table);
  }

  #setMapping(words: Words): void {
    const table = this.table(words.name());
    words.expect(/ ingestion json mapping /y);
    const name = words.string();
    words.expect(/ /y);
    const json = words.string();
    words.expect(/$/y);
    readMapping(json, table);
    table.mappings.set(name, json);
  }
}

/** A command's text, read from left to right. */
class Words {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found) this.#at = pattern.lastIndex;
    return found;
  }

  expect(pattern: RegExp): RegExpExecArray {
    const found = this.take(pattern);
    if (!found) {
      throw new KustoProblem("Syntax", `expected ${pattern.source} at ${this.#text.slice(this.#at)}`);
    }
    return found;
  }

  /** A word, or any text in quotes and brackets. */
  name(): string {
    const [word] = this.take(/[A-Za-z_]\w*/y) ?? [];
    if (word !== undefined) return word;
    this.expect(/\[/y);
    const name = this.string();
    this.expect(/\]/y);
    return name;
  }

  string(): string {
    const [, escaped = ""] = this.expect(/'((?:[^'\\]|\\['\\])*)'/y);
    return escaped.replace(/\\(.)/g, "$1");
  }
}

/** The member of a line that each column is filled from. */
function readMapping(json: string, { columns }: KustoTable): ReadonlyMap<string, string> {
  const mapping = new Map<string, string>();
  for (const entry of JSON.parse(json)) {
    const { Column, DataType, Properties, ...others } = entry;
    assert.deepEqual(others, {});
    assert.deepEqual(Object.keys(Properties), ["Path"]);
    if (!columns.has(Column)) throw new KustoProblem("ColumnNotFound", `no column ${Column}`);
    assert.equal(DataType, columns.get(Column), `the type of ${Column}`);
    const [, member = ""] = /^\$\.(\w+)$/.exec(Properties.Path) ?? [];
    assert.notEqual(member, "", `not a path of one step: ${Properties.Path}`);
    mapping.set(Column, member);
  }
  return mapping;
}

function rowOf(line: string, mapping: ReadonlyMap<string, string>, { columns }: KustoTable): KustoRow {
  const members: Record<string, unknown> = JSON.parse(line);
  const values: Record<string, unknown> = {};
  for (const [column, type] of columns) {
    const member = mapping.get(column);
    values[column] = valueOf(member === undefined ? undefined : members[member], type);
  }
  return { line, values };
}

/** What cannot be read as the column's type is null, as it is there. */
function valueOf(value: unknown, type: string): unknown {
  switch (type) {
    case "dynamic":
      return value ?? null;
    case "bool":
      return typeof value === "boolean" ? value : null;
    case "datetime":
      return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? value : null;
    default:
      return typeof value === "string"
        ? value
        : value === undefined || value === null
        ? ""
        : JSON.stringify(value);
  }
}
