import { closingBrace } from "./flow_references.ts";
import { messageOf } from "../observe/message_of.ts";

/** What `${…}` may refer to. */
export interface References {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file named by `${file:…}`; throws when it cannot be read. */
  readonly readTextFile: (path: string) => string;
}

export interface Interpolated {
  readonly text: string;
  /** What came out of files. */
  readonly secrets: readonly string[];
  /** Why the text could not be completed; never shows more than a variable's or a file's name. */
  readonly problems: readonly string[];
}

/** Deeper nesting than any file has a use for. */
const DEEPEST = 16;

/**
 * Replaces `${NAME}`, `${NAME:-default}` (where NAME is unset or empty) and `${file:/path}` (without the newline at
 * the file's end). A default and a path may hold references themselves. `$${` stands for a literal `${`. What is put
 * in is not read again.
 */
export function interpolate(text: string, references: References): Interpolated {
  const reader = new Interpolation(references);
  return { text: reader.expand(text, 0), secrets: reader.secrets, problems: reader.problems };
}

class Interpolation {
  readonly secrets: string[] = [];
  readonly problems: string[] = [];
  readonly #references: References;

  constructor(references: References) {
    this.#references = references;
  }

  expand(text: string, depth: number): string {
    let result = "";
    let index = 0;
    while (index < text.length) {
      const dollar = text.indexOf("$", index);
      if (dollar < 0) break;
      result += text.slice(index, dollar);
      if (text.startsWith("$${", dollar)) {
        result += "${";
        index = dollar + 3;
      } else if (text.startsWith("${", dollar)) {
        const end = closingBrace(text, dollar + 2);
        if (end < 0) {
          this.problems.push(
            "'${' without a '}' on its line; write $${ where the two characters themselves are meant",
          );
          return result;
        }
        result += this.#resolve(text.slice(dollar + 2, end), depth);
        index = end + 1;
      } else {
        result += "$";
        index = dollar + 1;
      }
    }
    return result + text.slice(index);
  }

  #resolve(reference: string, depth: number): string {
    if (depth >= DEEPEST) {
      this.problems.push("'${…}' is nested too deeply");
      return "";
    }
    if (reference.startsWith("file:")) return this.#readFile(this.expand(reference.slice(5), depth + 1));
    const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(reference) ?? [];
    if (name === undefined) {
      this.problems.push("expected ${NAME}, ${NAME:-default} or ${file:/path}; write $${ for a literal '${'");
      return "";
    }
    const { environment } = this.#references;
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (fallback !== undefined) return value || this.expand(fallback, depth + 1);
    if (value === undefined) this.problems.push(`the environment variable ${name} is not set`);
    return value ?? "";
  }

  #readFile(path: string): string {
    try {
      const text = this.#references.readTextFile(path).replace(/\r?\n$/, "");
      this.secrets.push(text);
      return text;
    } catch (error) {
      this.problems.push(`the file ${path} cannot be read: ${reasonOf(error)}`);
      return "";
    }
  }
}

/** Why a file could not be read, without the system's wording of it. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotCapable) return "not allowed by --allow-read";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  return messageOf(error);
}
