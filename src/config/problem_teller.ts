import type { z } from "zod";
import type { Redaction } from "../observe/redaction.ts";
import { closest } from "./closest.ts";
import type { ConfigDocument, Located } from "./config_document.ts";
import { formatPath, type Mistake, type Path, type Place, type Problem } from "./problem.ts";
import { keysOf, schemasAt, schemasBelow } from "./schema_at.ts";

/** Replacing a shorter value would tear its message to pieces. */
const SHORTEST_TOLD = 4;

/** Makes problems of mistakes: with their place, and without what may not be told. */
export class ProblemTeller {
  readonly #file: string;
  readonly #document: ConfigDocument;
  readonly #schema: z.ZodType;
  readonly #redaction: Redaction;

  constructor(file: string, document: ConfigDocument, schema: z.ZodType, redaction: Redaction) {
    this.#file = file;
    this.#document = document;
    this.#schema = schema;
    this.#redaction = redaction;
  }

  tell({ path, message, where }: Mistake): Problem {
    return this.tellAt({ path, message, place: this.#document.placeOf(path, where) });
  }

  tellAt({ path, message, place }: { path: Path; message: string; place: Place }): Problem {
    const { value, written } = this.#document.at(path) ?? {};
    // What a reference gave is told by the reference: a secret may have come to a place where none belongs.
    const named = written !== undefined && typeof value === "string" && value.length >= SHORTEST_TOLD
      ? message.replaceAll(value, () => written)
      : message;
    return {
      file: this.#file,
      ...place,
      path: formatPath(this.#tellable(path)),
      message: this.#redaction.apply(named),
    };
  }

  /**
   * The part of a path that may be told. A password with a comma in it makes a key of its second half, within braces;
   * so a key that no schema knows is told only if it looks like one that somebody meant.
   */
  #tellable(path: Path): Path {
    let schemas = schemasAt(this.#schema, []);
    let located: Located | undefined = this.#document.root;
    for (const [depth, step] of path.entries()) {
      located = located?.children?.get(step);
      const known = keysOf(schemas);
      const told = typeof step === "number" || known.includes(step) || closest(step, known) !== undefined ||
        (/^[A-Za-z_$][\w$.-]*$/.test(step) && (located?.value ?? located?.written) !== undefined);
      if (!told) return path.slice(0, depth);
      schemas = schemasBelow(schemas, step);
    }
    return path;
  }
}
