/** Of connection strings: libpq's keywords, .NET's, and those of Azure's services. */
const ASSIGNMENT = new RegExp(
  "(?:^|[\\s;?&,{])(?:password|pwd|sslpassword|shared ?access ?key|account ?key|app ?key|client ?secret|sig)\\s*=\\s*" +
    `('(?:[^'\\\\]|\\\\.|'')*'|"(?:[^"]|"")*"|[^;]*)`,
  "giu",
);

/** What follows the user's name in a URL; in the second, up to the last `@`, for people who did not encode a `/`. */
const USER_INFORMATION = [/:\/\/[^:/?#\s]*:([^/?#\s]*)@/gu, /:\/\/[^:/?#\s]*:(\S*)@/gu];

/**
 * The passwords that stand inside a text: `postgres://user:secret@host`, `password=secret`, `Password=secret;`,
 * `SharedAccessKey=secret`. Rather one too many than one too few: they are only masked in what is shown.
 */
export function embeddedPasswords(text: string): readonly string[] {
  const found = new Set<string>();
  for (const pattern of USER_INFORMATION) {
    for (const [, password = ""] of text.matchAll(pattern)) add(found, password);
  }
  for (const [, value = ""] of text.matchAll(ASSIGNMENT)) {
    add(found, value.trim());
    // Without quotes a value ends at a space (libpq), `&` (a URL's query) or only at `;` (.NET).
    if (/^['"]/.test(value)) add(found, unquoted(value));
    else for (const end of [/\s/, /&/]) add(found, value.trim().split(end)[0] ?? "");
  }
  return [...found];
}

function add(found: Set<string>, password: string): void {
  if (password === "") return;
  found.add(password);
  try {
    found.add(decodeURIComponent(password));
  } catch {
    // Not percent-encoded.
  }
}

/** What `'it\\'s'` and `"say ""x"""` stand for. */
function unquoted(value: string): string {
  const inner = value.slice(1, -1);
  if (value.startsWith('"')) return inner.replaceAll('""', '"');
  return inner.replace(/\\(.)|'(')/gs, (_, escaped?: string, quote?: string) => escaped ?? quote ?? "");
}
