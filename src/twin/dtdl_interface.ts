import type { JsonText } from "./json_text.ts";

/** Of a DTDL interface, what events need to know. Whatever refers to another interface names it or contains it. */
export interface DtdlInterface {
  /** Absent for one that stands inside another and has no name. */
  readonly id: string | undefined;
  readonly extends: readonly InterfaceReference[];
  /** By property: the name of a primitive schema, or `enum`, `object`, `map`, `array`. */
  readonly properties: ReadonlyMap<string, string>;
  readonly components: ReadonlyMap<string, InterfaceReference>;
}

/** By DTMI, or inline. */
export type InterfaceReference = string | DtdlInterface;

/** Inline interfaces nested deeper than this are not read, so that no input exhausts the stack; DTDL allows 12. */
const DEEPEST = 50;

/**
 * Reads an interface of DTDL version 2, 3 or 4. What cannot be understood is told to `onProblem` and left out;
 * `undefined` if that is everything.
 * @see https://azure.github.io/opendigitaltwins-dtdl/DTDL/v4/DTDL.v4.html
 */
export function readInterface(
  definition: JsonText,
  onProblem: (problem: string) => void,
  depth = 0,
): DtdlInterface | undefined {
  if (!typesOf(definition).includes("Interface")) {
    onProblem("it is no DTDL interface");
    return undefined;
  }
  const contents = setIn(definition, "contents");
  const schemas = namedSchemas(definition, contents);
  const properties = new Map<string, string>();
  const components = new Map<string, InterfaceReference>();
  for (const content of contents) {
    const types = typesOf(content);
    const name = content.get("name")?.string;
    if (name === undefined) {
      onProblem("something in its contents has no name");
    } else if (types.includes("Property")) {
      const type = schemaName(content.get("schema"), schemas);
      if (type === undefined) onProblem(`the schema of its property ${name} is unknown`);
      else properties.set(name, type);
    } else if (types.includes("Component")) {
      const component = readReference(content.get("schema"), onProblem, depth);
      if (component === undefined) onProblem(`the schema of its component ${name} is unknown`);
      else components.set(name, component);
    }
  }
  const bases: InterfaceReference[] = [];
  for (const base of setIn(definition, "extends")) {
    const reference = readReference(base, onProblem, depth);
    if (reference === undefined) onProblem("something that it extends is no interface");
    else bases.push(reference);
  }
  return { id: definition.get("@id")?.string, extends: bases, properties, components };
}

function readReference(
  value: JsonText | undefined,
  onProblem: (problem: string) => void,
  depth: number,
): InterfaceReference | undefined {
  if (value?.kind === "string") return value.string;
  if (value?.kind !== "object") return undefined;
  // An object that says no more than a name is what JSON-LD makes of a reference.
  if (!value.get("@type")) return value.get("@id")?.string;
  return depth < DEEPEST ? readInterface(value, onProblem, depth + 1) : undefined;
}

/** The complex schemas that can be referred to by DTMI: those of the interface's `schemas`, and named ones inline. */
function namedSchemas(definition: JsonText, contents: readonly JsonText[]): ReadonlyMap<string, string> {
  const named = new Map<string, string>();
  const inline = contents.flatMap((content) => setIn(content, "schema"));
  for (const schema of [...setIn(definition, "schemas"), ...inline]) {
    const id = schema.get("@id")?.string;
    const type = complexSchema(schema);
    if (id !== undefined && type !== undefined) named.set(id, type);
  }
  return named;
}

function schemaName(
  schema: JsonText | undefined,
  named: ReadonlyMap<string, string>,
): string | undefined {
  const id = schema?.string ?? schema?.get("@id")?.string;
  if (id !== undefined) {
    const term = termOf(id);
    if (PRIMITIVES.has(term)) return term;
    if (STANDARD_OBJECTS.has(term)) return "object";
  }
  return (schema && complexSchema(schema)) ?? (id === undefined ? undefined : named.get(id));
}

function complexSchema(schema: JsonText): string | undefined {
  return typesOf(schema).find((type) => COMPLEX.has(type))?.toLowerCase();
}

/** What something is, semantic types such as `Temperature` included. */
function typesOf(element: JsonText): readonly string[] {
  return setIn(element, "@type").flatMap(({ string }) => string === undefined ? [] : [termOf(string)]);
}

/** In JSON-LD, a set of one may be written without brackets. */
function setIn(element: JsonText, key: string): readonly JsonText[] {
  const value = element.get(key);
  if (!value || value.kind === "null") return [];
  return value.kind === "array" ? value.items() : [value];
}

/** `double` of `dtmi:dtdl:instance:Schema:double;2`; what the language itself does not name stays as it is. */
function termOf(iri: string): string {
  return /^dtmi:(?:dtdl|standard):(?:.*:)?(\w+)(?:;|$)/.exec(iri)?.[1] ?? iri;
}

const COMPLEX: ReadonlySet<string> = new Set(["Array", "Enum", "Map", "Object"]);

/** Of versions 2 and 3, then those that came with version 4. */
const PRIMITIVES: ReadonlySet<string> = new Set([
  "boolean",
  "date",
  "dateTime",
  "double",
  "duration",
  "float",
  "integer",
  "long",
  "string",
  "time",
  "byte",
  "bytes",
  "decimal",
  "short",
  "unsignedByte",
  "unsignedInteger",
  "unsignedLong",
  "unsignedShort",
  "uuid",
]);

/** Schemas that the language has names for and defines as objects. */
const STANDARD_OBJECTS: ReadonlySet<string> = new Set([
  "lineString",
  "multiLineString",
  "multiPoint",
  "multiPolygon",
  "point",
  "polygon",
  "scaledDecimal",
]);
