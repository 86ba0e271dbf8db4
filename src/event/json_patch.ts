import type { EventShape } from "./dialect.ts";

/**
 * A JSON Patch as it is written, one operation after the other. Paths are JSON pointers as they stand inside a JSON
 * string, values are JSON text. Azure Digital Twins writes what an operation does last.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */
export class JsonPatch {
  readonly #operation: (op: string, path: string, value?: string) => string;
  #operations = "";
  #size = 0;

  constructor(shape: EventShape) {
    this.#operation = shape === "adt" ? adtOperation : ownOperation;
  }

  /** How many operations it has. */
  get size(): number {
    return this.#size;
  }

  add(path: string, value: string): void {
    this.#append(this.#operation("add", path, value));
  }

  replace(path: string, value: string): void {
    this.#append(this.#operation("replace", path, value));
  }

  remove(path: string): void {
    this.#append(this.#operation("remove", path));
  }

  toString(): string {
    return `[${this.#operations}]`;
  }

  #append(operation: string): void {
    this.#operations += this.#size++ === 0 ? operation : `,${operation}`;
  }
}

function ownOperation(op: string, path: string, value?: string): string {
  return value === undefined
    ? `{"op":"${op}","path":"${path}"}`
    : `{"op":"${op}","path":"${path}","value":${value}}`;
}

function adtOperation(op: string, path: string, value?: string): string {
  return value === undefined
    ? `{"path":"${path}","op":"${op}"}`
    : `{"value":${value},"path":"${path}","op":"${op}"}`;
}

/** A path of `JsonPatch` one member deeper. */
export function memberPath(path: string, key: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[~/"\\\x00-\x1f]/.test(key)) return `${path}/${key}`;
  return `${path}/${JSON.stringify(key.replaceAll("~", "~0").replaceAll("/", "~1")).slice(1, -1)}`;
}
