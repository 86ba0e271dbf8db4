/**
 * A JSON Patch as it is written, one operation after the other. Paths are JSON pointers as they stand inside a JSON
 * string, values are JSON text.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */
export class JsonPatch {
  #operations = "";
  #size = 0;

  /** How many operations it has. */
  get size(): number {
    return this.#size;
  }

  add(path: string, value: string): void {
    this.#append(`{"op":"add","path":"${path}","value":${value}}`);
  }

  replace(path: string, value: string): void {
    this.#append(`{"op":"replace","path":"${path}","value":${value}}`);
  }

  remove(path: string): void {
    this.#append(`{"op":"remove","path":"${path}"}`);
  }

  toString(): string {
    return `[${this.#operations}]`;
  }

  #append(operation: string): void {
    this.#operations += this.#size++ === 0 ? operation : `,${operation}`;
  }
}

/** A path of `JsonPatch` one member deeper. */
export function memberPath(path: string, key: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[~/"\\\x00-\x1f]/.test(key)) return `${path}/${key}`;
  return `${path}/${JSON.stringify(key.replaceAll("~", "~0").replaceAll("/", "~1")).slice(1, -1)}`;
}
