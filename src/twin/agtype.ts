import { JsonText } from "./json_text.ts";

const SUFFIXES = ["::numeric", "::vertex", "::edge", "::path"];
const NOT_FINITE = ["NaN", "Infinity", "-Infinity"];

/**
 * Turns the text of an agtype into JSON: type suffixes are dropped, NaN and the infinities become strings, and every
 * other number keeps its digits. What is not agtype becomes something that is not JSON.
 *
 *     agtype = JSON, in which a value may be followed by "::numeric", "::vertex", "::edge" or "::path", and a number
 *              may be NaN, Infinity or -Infinity
 *
 * @see https://github.com/apache/age/blob/master/src/backend/utils/adt/agtype.c (agtype_to_cstring)
 */
export function agtypeToJson(text: string): string {
  if (!text.includes("::") && !text.includes("NaN") && !text.includes("Infinity")) return text;
  let json = "";
  let copied = 0;
  for (let at = 0; at < text.length;) {
    if (text[at] === '"') {
      at = behindString(text, at);
      continue;
    }
    const suffix = text[at] === ":" && SUFFIXES.find((suffix) => text.startsWith(suffix, at));
    const word = suffix || NOT_FINITE.find((word) => text.startsWith(word, at));
    if (!word) {
      at++;
      continue;
    }
    json += text.slice(copied, at) + (suffix ? "" : `"${word}"`);
    at += word.length;
    copied = at;
  }
  return json + text.slice(copied);
}

/** Reads an agtype; throws a `JsonTextError` for what is none. `like` is as in `JsonText.tryParse`. */
export function readAgtype(text: string, like?: JsonText): JsonText {
  // Nearly every agtype is JSON as it stands, and reading it says so sooner than a search for what would not be.
  return JsonText.tryParse(text, like) ?? JsonText.parse(agtypeToJson(text));
}

/** The offset behind the string that begins at `at`, or the end of a text that breaks off in it. */
function behindString(text: string, at: number): number {
  for (at++; at < text.length; at++) {
    if (text[at] === '"') return at + 1;
    if (text[at] === "\\") at++;
  }
  return text.length;
}
