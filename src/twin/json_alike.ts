import { type Ascii, AsciiBuffer, WORD } from "./json_ascii.ts";
import { indexed, type JsonIndex, NODE, QUOTE, skipScalar } from "./json_index.ts";

/** A text's index, and what is not the same as in another text of the same structure. */
export interface Alike {
  readonly index: JsonIndex;
  /** The nodes that differ of those that contain no others, keys among them, in order. */
  readonly changed: readonly number[];
}

const buffer = new AsciiBuffer();

/**
 * Indexes a text by another whose index is known and which is mostly the same, as a row's old state is to its new one:
 * what is the same byte by byte need not be understood again. `undefined` if the two differ in structure or white space,
 * or are not ASCII; nothing is said of the text then.
 */
export function indexAlike(text: string, knownText: string, known: JsonIndex): Alike | undefined {
  const theirs = indexed.fill(knownText);
  const ours = buffer.fill(text);
  if (!theirs.isExact || !ours.isExact) return undefined;
  const last = knownText.length;
  const changed: number[] = [];
  /** By changed node: how much farther behind it everything is than in the known text. */
  const shifts: number[] = [];
  let shift = 0;
  let node = 0;
  for (let at = firstDifference(theirs, 0, ours, 0, last); at <= last;) {
    while ((known[node + NODE] ?? Infinity) <= at) node += NODE;
    const begin = known[node] ?? 0;
    const end = known[node + 1] ?? 0;
    // A number that goes on differs first behind its end. What differs behind a node that was passed is structure.
    const isWithin = begin <= at && at <= end && known[node + 2] === node + NODE && node !== changed.at(-1);
    if (!isWithin || (theirs.bytes[begin] === QUOTE && ours.bytes[begin + shift] !== QUOTE)) return undefined;
    const ownEnd = skipScalar(ours.bytes, ours.view, begin + shift);
    if (ownEnd < 0) return undefined;
    shift = ownEnd - end;
    changed.push(node);
    shifts.push(shift);
    at = firstDifference(theirs, end, ours, ownEnd, last);
  }
  if (text.length !== last + shift) return undefined;
  return { index: shifts.some((shift) => shift !== 0) ? shifted(known, changed, shifts) : known, changed };
}

/** The first offset in `a` from `from` on whose byte is not the one in `b` from `at` on; beyond `last` if there is none. */
function firstDifference(a: Ascii, from: number, b: Ascii, at: number, last: number): number {
  if (from === at) {
    while (from % WORD !== 0 && a.bytes[from] === b.bytes[from]) from++;
    if (from % WORD === 0) {
      let word = from / WORD;
      while (word * WORD <= last && a.words[word] === b.words[word]) word++;
      from = word * WORD;
    }
    at = from;
  }
  while (from <= last && a.bytes[from] === b.bytes[at]) {
    from++;
    at++;
  }
  return from;
}

function shifted(known: JsonIndex, changed: readonly number[], shifts: readonly number[]): JsonIndex {
  const index = known.slice();
  let shift = 0;
  let next = 0;
  for (let node = 0; node < known.length; node += NODE) {
    index[node] = (known[node] ?? 0) + shift;
    if (node === changed[next]) shift = shifts[next++] ?? 0;
    index[node + 1] = (known[node + 1] ?? 0) + shift;
  }
  // An array or object ends as much farther as the last node in it.
  for (let node = known.length - NODE; node >= 0; node -= NODE) {
    const last = (known[node + 2] ?? 0) - NODE;
    index[node + 1] = (known[node + 1] ?? 0) + (index[last + 1] ?? 0) - (known[last + 1] ?? 0);
  }
  return index;
}
