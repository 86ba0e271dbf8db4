/**
 * In `{ url: ${HOOK_URL} }` YAML takes the reference's braces for its own. So they, and the brackets and commas in
 * between, are exchanged for characters that mean nothing to it, one for one, so that every offset stays right.
 * @see https://yaml.org/spec/1.2.2/#733-plain-style
 */
const PLAIN = "{}[],";
const MASKED = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4";

const ANY_MASKED = new RegExp(`[${MASKED}]`, "gu");

/** Begins a reference that is meant as one, however it goes on. */
const OPENING = /\$\{(?=[A-Za-z_][A-Za-z0-9_]*(?:\}|:-)|file:)/g;

/** Hides the references of a YAML text from its parser. */
export function maskReferences(yaml: string): string {
  // These code points are no characters at all; a text that has them is left alone.
  if (yaml.search(ANY_MASKED) >= 0) return yaml;
  let masked = "";
  let index = 0;
  for (const { index: start } of yaml.matchAll(OPENING)) {
    if (start < index) continue;
    const end = closingBrace(yaml, start + 2);
    if (end < 0) continue;
    masked += yaml.slice(index, start);
    masked += yaml.slice(start, end + 1).replace(/[{}[\],]/g, (each) => MASKED[PLAIN.indexOf(each)] ?? each);
    index = end + 1;
  }
  return masked + yaml.slice(index);
}

/** Gives a value of a masked text its own characters back. */
export function unmaskReferences(value: string): string {
  return value.replace(ANY_MASKED, (each) => PLAIN[MASKED.indexOf(each)] ?? each);
}

/** The index, on the same line, of the `}` that closes what was opened before `from`; -1 without one. */
export function closingBrace(text: string, from: number): number {
  let open = 1;
  for (let index = from; index < text.length && text[index] !== "\n"; index++) {
    if (text.startsWith("${", index)) open++;
    else if (text[index] === "}" && --open === 0) return index;
  }
  return -1;
}
