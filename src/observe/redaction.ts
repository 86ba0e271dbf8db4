/** What stands in for a secret. */
const MASK = "***";

/** Secrets shorter than this are masked only where they stand alone, or every "a" of a text would go. */
const SHORT = 4;

/** Takes secrets out of text: as they are, percent-encoded, and as a line of a JSON string. */
export class Redaction {
  readonly #secrets = new Set<string>();
  #pattern: RegExp | undefined;

  constructor(secrets: Iterable<string> = []) {
    for (const secret of secrets) this.add(secret);
  }

  /** Hides one more secret from now on. */
  add(secret: string): void {
    if (secret.trim() === "" || this.#secrets.has(secret)) return;
    this.#secrets.add(secret);
    this.#pattern = undefined;
  }

  /** `text` with every secret in it replaced by `***`. */
  apply(text: string): string {
    if (this.#secrets.size === 0) return text;
    this.#pattern ??= patternOf(this.#secrets);
    return text.replace(this.#pattern, MASK);
  }
}

/** Longest first, because one secret may be a part of another. */
function patternOf(secrets: ReadonlySet<string>): RegExp {
  const forms = new Set([...secrets].flatMap(formsOf));
  const alternatives = [...forms].sort((a, b) => b.length - a.length).map((form) => {
    const literal = RegExp.escape(form);
    return form.length < SHORT ? `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])` : literal;
  });
  return new RegExp(alternatives.join("|"), "gu");
}

function formsOf(secret: string): string[] {
  const trimmed = secret.trim();
  return [secret, trimmed, encodeURIComponent(secret.toWellFormed()), JSON.stringify(secret).slice(1, -1)];
}
