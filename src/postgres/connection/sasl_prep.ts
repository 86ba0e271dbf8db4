/**
 * A password as PostgreSQL stores it for SCRAM: prepared by SASLprep, or as it is where that does not allow it (which
 * is what the server and libpq do too).
 *
 * JavaScript does not know which code points Unicode 3.2 had not assigned, and RFC 4013 forbids those; here that is
 * known for the supplementary planes (emoji) alone. It matters only for a password that has such a character and
 * another one that the preparation would change.
 * @see https://www.rfc-editor.org/rfc/rfc4013
 */
export function saslPrep(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  const prepared = password.replace(SPACES, " ").replace(MAPPED_TO_NOTHING, "").normalize("NFKC");
  const allowed = prepared !== "" && !PROHIBITED.test(prepared) && !UNASSIGNED.test(prepared) &&
    isOneDirection(prepared);
  return allowed ? prepared : password;
}

/** RFC 3454, table C.1.2. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;

/** Table B.1. */
const MAPPED_TO_NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu;

/** Tables C.1.2, C.2, C.3, C.4, C.5 (unpaired surrogates), C.6, C.7, C.8 and C.9. */
const PROHIBITED = new RegExp(
  "[" + [
    "\\u00a0\\u1680\\u2000-\\u200b\\u202f\\u205f\\u3000",
    "\\u0000-\\u001f\\u007f-\\u009f\\u06dd\\u070f\\u180e\\u200c\\u200d\\u2028\\u2029\\u2060-\\u2063\\u206a-\\u206f\\ufeff",
    "\\ufff9-\\ufffc\\u{1d173}-\\u{1d17a}",
    "\\ue000-\\uf8ff\\u{f0000}-\\u{ffffd}\\u{100000}-\\u{10fffd}",
    "\\ufdd0-\\ufdef\\p{Noncharacter_Code_Point}\\p{Surrogate}",
    "\\ufffd\\u2ff0-\\u2ffb\\u0340\\u0341\\u200e\\u200f\\u202a-\\u202e\\u{e0001}\\u{e0020}-\\u{e007f}",
  ].join("") + "]",
  "u",
);

/** What Unicode 3.2 had not assigned (table A.1) of the supplementary planes. */
const UNASSIGNED =
  /[\u{10000}-\u{102ff}\u{10350}-\u{103ff}\u{10450}-\u{1cfff}\u{1d800}-\u{1ffff}\u{2a6d7}-\u{2f7ff}\u{2fa1e}-\u{e0000}\u{e0002}-\u{effff}]/u;

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;
const LEFT_TO_RIGHT = /[A-Za-z\u00c0-\u024f\u0370-\u0588\u1e00-\u1fff\u3040-\u9fff\uac00-\ud7a3]/u;

/** RFC 3454, section 6: text with right-to-left letters has no others, and begins and ends with them. */
function isOneDirection(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return true;
  const characters = [...text];
  return !LEFT_TO_RIGHT.test(text) && RIGHT_TO_LEFT.test(characters.at(0) ?? "") &&
    RIGHT_TO_LEFT.test(characters.at(-1) ?? "");
}
