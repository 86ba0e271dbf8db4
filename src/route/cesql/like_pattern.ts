/**
 * Makes a function of the pattern of a LIKE: `%` is any text, `_` any one character, either of them itself behind a
 * backslash, and all else itself. Without repetitions in its expressions, no pattern takes longer than the product of
 * its length and the text's.
 */
export function likePattern(pattern: string): (text: string) => boolean {
  const [first = "", ...others] = partsOf(pattern);
  const last = others.pop();
  if (last === undefined) {
    const whole = new RegExp(`^${first}$`, "su");
    return (text) => whole.test(text);
  }
  const parts = [`^${first}`, ...others, `${last}$`].map((part) => new RegExp(part, "gsu"));
  return (text) => {
    let begin = 0;
    // The leftmost place of each leaves the most for those behind it.
    for (const part of parts) {
      part.lastIndex = begin;
      if (!part.test(text)) return false;
      begin = part.lastIndex;
    }
    return true;
  };
}

/** Regular expressions of what stands between the pattern's `%`. */
function partsOf(pattern: string): readonly string[] {
  let part: string[] = [];
  const parts = [part];
  for (const [written] of pattern.matchAll(/\\[%_]|[^]/gu)) {
    if (written === "%") parts.push(part = []);
    else part.push(written === "_" ? "." : literally(written.replace(/^\\(?=[%_])/, "")));
  }
  return parts.map((part) => part.join(""));
}

function literally(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
