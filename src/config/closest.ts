/** Longer words get no suggestion, so that no input makes this slow. */
const LONGEST = 64;

/**
 * The candidate that `word` most likely was meant to be, whatever its case, or `undefined` when none is near: at most
 * one slip (a letter more, less, changed or swapped with its neighbour) for every three letters.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined;
  let best: string | undefined;
  const allowed = word.length < 2 ? 0 : Math.max(1, Math.floor(word.length / 3));
  let bestDistance = allowed + 1;
  for (const candidate of candidates) {
    if (candidate.length > LONGEST) continue;
    const distance = slipsBetween(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** The Damerau-Levenshtein distance (optimal string alignment), row by row. */
function slipsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = cell(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(changed, cell(last, j) + 1, cell(row, j - 1) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, cell(beforeLast, j - 2) + 1);
      }
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
