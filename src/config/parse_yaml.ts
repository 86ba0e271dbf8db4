import { type Alias, isScalar, LineCounter, type Node, parseDocument, visit, type YAMLError } from "yaml";
import { maskReferences, unmaskReferences } from "./flow_references.ts";
import type { Place } from "./problem.ts";

/** YAML 1.2 as nodes. */
export interface YamlText {
  readonly contents: Node | null;
  /** What every alias stands for; one whose anchor is missing is absent. */
  readonly targets: ReadonlyMap<Alias, Node>;
  readonly errors: readonly { readonly offset: number; readonly message: string }[];
  /** Whether the errors leave the rest of the file's structure as it was meant. */
  readonly usable: boolean;
  /** 1-based; 0 in an empty file. */
  placeOf(offset: number): Place;
}

/** Parses one YAML document and never throws. No message repeats what the file says: it may be a password. */
export function parseYaml(text: string): YamlText {
  const lineCounter = new LineCounter();
  const placeOf = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  try {
    const document = parseDocument<Node, true>(maskReferences(text), {
      version: "1.2",
      lineCounter,
      prettyErrors: false,
      uniqueKeys: false,
      strict: true,
      logLevel: "silent",
    });
    const errors = untilStructureIsLost([...document.errors, ...document.warnings]);
    const targets = new Map<Alias, Node>();
    const anchors = new Map<string, Node>();
    visit(document, {
      Alias(_, alias) {
        const target = anchors.get(alias.source);
        if (target) targets.set(alias, target);
      },
      Value(_, node) {
        if (node.anchor) anchors.set(node.anchor, node);
        if (isScalar(node) && typeof node.value === "string") node.value = unmaskReferences(node.value);
      },
    });
    return {
      contents: document.contents,
      targets,
      errors: errors.map((error) => ({ offset: error.pos[0], message: explain(error) })),
      usable: errors.every(({ code }) => HARMLESS.has(code)),
      placeOf,
    };
  } catch (error) {
    // The parser recurses; thousands of brackets exhaust its stack.
    const message = error instanceof RangeError ? "more levels than can be read" : "cannot be read as YAML";
    return { contents: null, targets: new Map(), errors: [{ offset: 0, message }], usable: false, placeOf };
  }
}

/** Errors within one value, after which the others still mean what they say. */
const HARMLESS: ReadonlySet<string> = new Set([
  "ALIAS_PROPS",
  "BAD_ALIAS",
  "BAD_DIRECTIVE",
  "BAD_DQ_ESCAPE",
  "BAD_SCALAR_START",
  "MULTIPLE_ANCHORS",
  "MULTIPLE_TAGS",
  "TAG_RESOLVE_FAILED",
]);

/** The errors in order, up to the first that makes the parser lose its way: the ones after it are its echo. */
function untilStructureIsLost(errors: readonly YAMLError[]): readonly YAMLError[] {
  const sorted = errors.toSorted((a, b) => a.pos[0] - b.pos[0]);
  const lost = sorted.findIndex(({ code }) => !HARMLESS.has(code));
  return lost < 0 ? sorted : sorted.slice(0, lost + 1);
}

/** The library's own words, but for those that quote the file. */
function explain({ code, message }: YAMLError): string {
  switch (code) {
    case "BAD_ALIAS":
      return "a '*' or '&' without a usable name; quote the value if it is text";
    case "BAD_DIRECTIVE":
      return "a line that begins with '%' is no directive of YAML's";
    case "BAD_DQ_ESCAPE":
      return "an escape sequence that YAML does not know; double each '\\' or use single quotes";
    case "BAD_SCALAR_START":
      return "a value may begin with this character in quotes only";
    case "MULTIPLE_DOCS":
      return "a second document ('---'); expected one";
    case "RESOURCE_EXHAUSTION":
      return "more levels than can be read";
    case "TAG_RESOLVE_FAILED":
    case "BAD_COLLECTION_TYPE":
      return "a tag ('!') that does not fit; quote the value if it is text";
    case "UNEXPECTED_TOKEN":
      return "text where none is expected; check quotes, brackets and indentation";
    case "ALIAS_PROPS":
    case "BAD_INDENT":
    case "BAD_PROP_ORDER":
    case "BLOCK_AS_IMPLICIT_KEY":
    case "BLOCK_IN_FLOW":
    case "DUPLICATE_KEY":
    case "IMPOSSIBLE":
    case "KEY_OVER_1024_CHARS":
    case "MISSING_CHAR":
    case "MULTILINE_IMPLICIT_KEY":
    case "MULTIPLE_ANCHORS":
    case "MULTIPLE_TAGS":
    case "NON_STRING_KEY":
    case "TAB_AS_INDENT":
      return `not YAML: ${message}`;
    default:
      return code satisfies never;
  }
}
