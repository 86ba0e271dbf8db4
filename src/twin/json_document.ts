import { type JsonIndex, NODE, NONE } from "./json_index.ts";

/** A JSON text with its index. Nodes are positions in the index; keys are nodes, too. */
export interface JsonDocument {
  readonly text: string;
  readonly index: JsonIndex;
  /** A document of the same structure, so that a node is the same place in both, and the nodes that differ from it. */
  readonly alike: { readonly document: JsonDocument; readonly changed: readonly number[] } | undefined;
}

/** A member's value in two objects, `NONE` where it has none. */
export interface NodePair {
  readonly key: string;
  readonly node: number;
  readonly other: number;
}

export function beginOf({ index }: JsonDocument, node: number): number {
  return index[node] ?? 0;
}

function endOf({ index }: JsonDocument, node: number): number {
  return index[node + 1] ?? 0;
}

/** The node behind a value and all that it contains. */
export function nodeBehind({ index }: JsonDocument, node: number): number {
  return index[node + 2] ?? 0;
}

/** The first of an object's or array's nodes, if it has any. */
export function firstWithin(node: number): number {
  return node + NODE;
}

export function textOf(document: JsonDocument, node: number): string {
  return document.text.substring(beginOf(document, node), endOf(document, node));
}

export function keyAt(document: JsonDocument, node: number): string {
  const key = document.text.substring(beginOf(document, node) + 1, endOf(document, node) - 1);
  return key.includes("\\") ? JSON.parse(`"${key}"`) as string : key;
}

export function isKey(document: JsonDocument, node: number, key: string): boolean {
  const begin = beginOf(document, node) + 1;
  const length = endOf(document, node) - 1 - begin;
  if (length < key.length) return false;
  if (length === key.length) return document.text.substring(begin, begin + length) === key;
  // A longer notation may be the same key, escaped.
  return keyAt(document, node) === key;
}

function isOneOf(document: JsonDocument, node: number, keys: readonly string[]): boolean {
  for (const key of keys) if (isKey(document, node, key)) return true;
  return false;
}

/** The value of an object's member. */
export function findMember(document: JsonDocument, object: number, key: string): number {
  const behind = nodeBehind(document, object);
  for (let node = firstWithin(object); node < behind;) {
    const value = firstWithin(node);
    if (isKey(document, node, key)) return value;
    node = nodeBehind(document, value);
  }
  return NONE;
}

/**
 * The members of two objects that are not written alike: those of `object` in its order, then those that only `other`
 * has. Members named in `alsoAlike` are among them if both have them, even when written alike.
 */
export function differences(
  document: JsonDocument,
  object: number,
  otherDocument: JsonDocument,
  other: number,
  alsoAlike: readonly string[],
): NodePair[] {
  const pairs: NodePair[] = [];
  const behind = nodeBehind(document, object);
  const otherBehind = nodeBehind(otherDocument, other);
  // Mostly both have the same keys in the same order, and two cursors meet them. Once they part, a map finds the others.
  let otherKey = firstWithin(other);
  let rest: Map<string, number> | undefined;
  const { alike } = otherDocument;
  const changed = alike?.document === document && object === other
    ? new NodesInOrder(alike.changed)
    : undefined;
  for (let keyNode = firstWithin(object); keyNode < behind;) {
    const value = firstWithin(keyNode);
    const next = nodeBehind(document, value);
    const otherValue = firstWithin(otherKey);
    const isInStep = rest === undefined && otherKey < otherBehind;
    const isAlike = isInStep &&
      (changed
        ? !changed.hasWithin(keyNode, next)
        : isSameText(document, keyNode, value, otherDocument, otherKey, otherValue));
    if (isAlike && !isOneOf(document, keyNode, alsoAlike)) {
      otherKey = nodeBehind(otherDocument, otherValue);
    } else {
      const key = keyAt(document, keyNode);
      if (isInStep && isKey(otherDocument, otherKey, key)) {
        otherKey = nodeBehind(otherDocument, otherValue);
        pairs.push({ key, node: value, other: otherValue });
      } else {
        rest ??= valuesByKey(otherDocument, otherKey, otherBehind);
        const counterpart = rest.get(key) ?? NONE;
        rest.delete(key);
        const isAlike = counterpart !== NONE &&
          isSameText(document, value, value, otherDocument, counterpart, counterpart);
        if (!isAlike || alsoAlike.includes(key)) pairs.push({ key, node: value, other: counterpart });
      }
    }
    keyNode = next;
  }
  rest ??= otherKey < otherBehind ? valuesByKey(otherDocument, otherKey, otherBehind) : undefined;
  if (rest) { for (const [key, other] of rest) pairs.push({ key, node: NONE, other }); }
  return pairs;
}

/** Is asked from left to right. */
class NodesInOrder {
  readonly #nodes: readonly number[];
  #next = 0;

  constructor(nodes: readonly number[]) {
    this.#nodes = nodes;
  }

  hasWithin(first: number, behind: number): boolean {
    while ((this.#nodes[this.#next] ?? Infinity) < first) this.#next++;
    return (this.#nodes[this.#next] ?? Infinity) < behind;
  }
}

/** Whether what stands from one node's begin to another's end is the same text in both documents. */
function isSameText(
  a: JsonDocument,
  aFirst: number,
  aLast: number,
  b: JsonDocument,
  bFirst: number,
  bLast: number,
): boolean {
  const aBegin = beginOf(a, aFirst);
  const aEnd = endOf(a, aLast);
  const bBegin = beginOf(b, bFirst);
  const bEnd = endOf(b, bLast);
  return aEnd - aBegin === bEnd - bBegin && a.text.substring(aBegin, aEnd) === b.text.substring(bBegin, bEnd);
}

function valuesByKey(document: JsonDocument, first: number, behind: number): Map<string, number> {
  const values = new Map<string, number>();
  for (let node = first; node < behind;) {
    const value = firstWithin(node);
    values.set(keyAt(document, node), value);
    node = nodeBehind(document, value);
  }
  return values;
}
