import type { z } from "zod";
import { closest } from "./closest.ts";
import type { Mistake, Path } from "./problem.ts";
import { keysOf, schemasAt } from "./schema_at.ts";

interface Finding extends Mistake {
  /** Of an unknown key: the one that it may be a misspelling of. */
  readonly meant?: string | undefined;
}

const MISSING = "is missing";

export interface SchemaResult<Output> {
  /** Absent when there are mistakes. */
  readonly output?: Output;
  readonly mistakes: readonly Mistake[];
}

type Mapping = Readonly<Record<string, unknown>>;

/** Checks plain values against a schema. */
export function checkSchema<Output>(schema: z.ZodType<Output>, value: unknown): SchemaResult<Output> {
  const { data, error } = schema.safeParse(value);
  return error ? { mistakes: told(findingsOf(error.issues, schema, value)) } : { output: data, mistakes: [] };
}

/** One mistake is told once: a key that is taken for a misspelling of another is not missing as well. */
function told(findings: readonly Finding[]): readonly Mistake[] {
  const meant = new Set(
    findings.map(({ path, meant }) => meant && JSON.stringify([...path.slice(0, -1), meant])),
  );
  return findings.filter(({ path, message }) => message !== MISSING || !meant.has(JSON.stringify(path)))
    .map(({ path, message, where }) => ({ path, message, where }));
}

function findingsOf(
  issues: readonly z.core.$ZodIssue[],
  schema: z.ZodType,
  value: unknown,
  base: Path = [],
): Finding[] {
  return issues.flatMap((issue): Finding[] => {
    const path = [...base, ...issue.path as Path];
    const nested = (inner: readonly z.core.$ZodIssue[]) => findingsOf(inner, schema, value, path);
    switch (issue.code) {
      case "unrecognized_keys":
        return issue.keys.map((key) => unknownKey(schema, path, key));
      case "invalid_union": {
        const branch = likeliestBranch(issue.errors);
        if (branch) return nested(branch);
        break;
      }
      case "invalid_key":
        return [{ path, message: issue.issues[0]?.message ?? issue.message, where: "key" }];
      case "invalid_element":
        return nested(issue.issues);
    }
    if (path.length > 0 && valueAt(value, path) === undefined) {
      return issue.code === "custom"
        ? [{ path, message: issue.message, where: "value" }]
        : [{ path, message: MISSING, where: "value" }];
    }
    return [{ path, message: inOurWords(issue), where: "value" }];
  });
}

/** The branch of a union that was meant: the only one that the value's own type fits. */
function likeliestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  const fitting = branches.filter((issues) =>
    issues.every(({ code, path }) => path.length > 0 || (code !== "invalid_type" && code !== "invalid_value"))
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}

function unknownKey(schema: z.ZodType, path: Path, key: string): Finding {
  const known = keysOf(schemasAt(schema, path));
  const meant = closest(key, known);
  const hint = meant !== undefined
    ? `; did you mean ${meant}?`
    : known.length > 0
    ? `; known are ${known.join(", ")}`
    : "";
  return { path: [...path, key], message: `unknown key${hint}`, where: "key", meant };
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: "keys with values",
  record: "keys with values",
  array: "a list",
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

/** zod's own wording is for programmers; a schema's own message is kept. */
function inOurWords(issue: z.core.$ZodIssue): string {
  if (!issue.message.startsWith("Invalid input")) return issue.message;
  if (issue.code === "invalid_type") return `expected ${EXPECTED[issue.expected] ?? issue.expected}`;
  if (issue.code === "invalid_value") return `expected ${issue.values.map(String).join(" or ")}`;
  return "expected another kind of value";
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, step) ? (at as Mapping)[step] : undefined,
    value,
  );
}
