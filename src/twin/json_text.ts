import {
  beginOf,
  differences,
  findMember,
  firstWithin,
  type JsonDocument,
  keyAt,
  nodeBehind,
  textOf,
} from "./json_document.ts";
import { indexAlike } from "./json_alike.ts";
import { indexJson, MOST_NODES, NONE } from "./json_index.ts";
import { sameNumber } from "./json_number.ts";

export type JsonKind = "object" | "array" | "string" | "number" | "boolean" | "null";

/** A text that is not JSON. */
export class JsonTextError extends Error {
  override readonly name = "JsonTextError";
  /** Of the first character that cannot stand where it does, in UTF-16 code units. */
  readonly offset: number;

  constructor(offset: number, state = `the text breaks off or goes wrong at offset ${offset}`) {
    super(`Cannot read JSON: ${state}`);
    this.offset = offset;
  }
}

/** A text with more keys and values than are read; it may be JSON or not. */
export class TooManyValuesError extends JsonTextError {
  constructor() {
    super(0, `it has more than ${MOST_NODES} keys and values`);
  }
}

/**
 * What is nested deeper than this is compared as it is written: two notations of one value then count as two values,
 * and no input exhausts the stack.
 */
const DEEPEST = 500;

/** Bytes of a body that are read, at most: what is made of it must fit into a string of V8, which has half a GiB. */
export const LARGEST_BODY = 256 * 1024 * 1024;

const NO_KEYS: readonly string[] = [];
const NO_DIFFERENCES: readonly MemberDifference[] = [];

/**
 * A JSON value as a slice of the text that it stands in. The text is checked when it is read, once and to its end;
 * after that nothing is parsed until somebody asks for it, and numbers keep their digits. An object's keys are taken to
 * be unique, as agtype's are.
 */
export class JsonText {
  readonly #document: JsonDocument;
  readonly #node: number;

  private constructor(document: JsonDocument, node: number) {
    this.#document = document;
    this.#node = node;
  }

  /** Throws a `JsonTextError`. */
  static parse(text: string): JsonText {
    const index = indexJson(text);
    if (index === NONE) throw new TooManyValuesError();
    if (typeof index === "number") throw new JsonTextError(index);
    return new JsonText({ text, index, alike: undefined }, 0);
  }

  /**
   * `undefined` for a text that is not JSON, or not read because of its size. With `like`, the value of a whole text most of
   * which this one repeats, it costs less to read it, and to tell the differences from it.
   */
  static tryParse(text: string, like?: JsonText): JsonText | undefined {
    if (like) {
      const document = like.#document;
      const alike = indexAlike(text, document.text, document.index);
      if (alike) {
        const { index, changed } = alike;
        return new JsonText({ text, index, alike: { document, changed } }, 0);
      }
    }
    const index = indexJson(text);
    return typeof index === "number" ? undefined : new JsonText({ text, index, alike: undefined }, 0);
  }

  get kind(): JsonKind {
    return kindOf(this.#document.text.charCodeAt(beginOf(this.#document, this.#node)));
  }

  /** The value as it is written. */
  toString(): string {
    return textOf(this.#document, this.#node);
  }

  /** A string's value; `undefined` if this is no string. */
  get string(): string | undefined {
    if (this.kind !== "string") return undefined;
    const written = this.toString();
    return written.includes("\\") ? JSON.parse(written) as string : written.substring(1, written.length - 1);
  }

  /** A number as it is written; `undefined` if this is none. */
  get number(): string | undefined {
    return this.kind === "number" ? this.toString() : undefined;
  }

  get boolean(): boolean | undefined {
    return this.kind === "boolean" ? this.toString() === "true" : undefined;
  }

  /** How many members or items this has; 0 for what is neither object nor array. */
  get size(): number {
    const behind = nodeBehind(this.#document, this.#node);
    let nodes = 0;
    for (let node = firstWithin(this.#node); node < behind; node = nodeBehind(this.#document, node)) nodes++;
    return this.kind === "object" ? nodes / 2 : nodes;
  }

  /** An object's member. */
  get(key: string): JsonText | undefined {
    if (this.kind !== "object") return undefined;
    const node = findMember(this.#document, this.#node, key);
    return node === NONE ? undefined : new JsonText(this.#document, node);
  }

  /** An object's members, in order; none for anything else. */
  members(): ReadonlyMap<string, JsonText> {
    const members = new Map<string, JsonText>();
    if (this.kind !== "object") return members;
    const behind = nodeBehind(this.#document, this.#node);
    for (let node = firstWithin(this.#node); node < behind;) {
      const value = firstWithin(node);
      members.set(keyAt(this.#document, node), new JsonText(this.#document, value));
      node = nodeBehind(this.#document, value);
    }
    return members;
  }

  /** An array's items; none for anything else. */
  items(): readonly JsonText[] {
    const items: JsonText[] = [];
    if (this.kind !== "array") return items;
    const behind = nodeBehind(this.#document, this.#node);
    for (let node = firstWithin(this.#node); node < behind; node = nodeBehind(this.#document, node)) {
      items.push(new JsonText(this.#document, node));
    }
    return items;
  }

  /**
   * Whether both are one JSON value: numbers by value, however large and however written, strings after unescaping,
   * objects in any order of members.
   */
  equals(other: JsonText): boolean {
    return this.#equals(other, 0);
  }

  #equals(other: JsonText, depth: number): boolean {
    const kind = this.kind;
    if (kind !== other.kind) return false;
    const written = this.toString();
    const otherWritten = other.toString();
    if (written === otherWritten) return true;
    if (depth === DEEPEST) return false;
    switch (kind) {
      case "number":
        return sameNumber(written, otherWritten);
      case "string":
        return (written.includes("\\") || otherWritten.includes("\\")) && this.string === other.string;
      case "array": {
        const others = other.items();
        return this.size === others.length && this.items().every((item, index) => {
          const counterpart = others[index];
          return counterpart !== undefined && item.#equals(counterpart, depth + 1);
        });
      }
      case "object":
        return this.differencesFrom(other).every(({ before, after }) =>
          before !== undefined && after !== undefined && after.#equals(before, depth + 1)
        );
      case "boolean":
      case "null":
        return false;
      default:
        return kind satisfies never;
    }
  }

  /**
   * The members of two objects that are not written alike: this one's in its order, then those that only `other` has.
   * Members named in `alsoAlike` are among them if both have them, even when written alike. None for anything else.
   */
  differencesFrom(other: JsonText, alsoAlike: readonly string[] = NO_KEYS): readonly MemberDifference[] {
    if (this.kind !== "object" || other.kind !== "object") return NO_DIFFERENCES;
    const found: MemberDifference[] = [];
    for (
      const { key, node, other: otherNode } of differences(
        this.#document,
        this.#node,
        other.#document,
        other.#node,
        alsoAlike,
      )
    ) {
      const before = otherNode === NONE ? undefined : new JsonText(other.#document, otherNode);
      const after = node === NONE ? undefined : new JsonText(this.#document, node);
      found.push(new MemberDifference(key, before, after));
    }
    return found;
  }
}

/** A member that is not written alike in two objects. */
export class MemberDifference {
  readonly key: string;
  /** Undefined for an added member. */
  readonly before: JsonText | undefined;
  /** Undefined for a removed member. */
  readonly after: JsonText | undefined;
  #within: readonly MemberDifference[] | undefined;

  constructor(key: string, before: JsonText | undefined, after: JsonText | undefined) {
    this.key = key;
    this.before = before;
    this.after = after;
  }

  /** Where both values are objects, their members that are not written alike. */
  get within(): readonly MemberDifference[] {
    return this.#within ??= this.before && this.after
      ? this.after.differencesFrom(this.before)
      : NO_DIFFERENCES;
  }
}

function kindOf(first: number): JsonKind {
  switch (first) {
    case 0x7b: // {
      return "object";
    case 0x5b: // [
      return "array";
    case 0x22: // "
      return "string";
    case 0x74: // t
    case 0x66: // f
      return "boolean";
    case 0x6e: // n
      return "null";
    default:
      return "number";
  }
}
