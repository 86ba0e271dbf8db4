import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from "yaml";
import type { YAMLMap, YAMLSeq } from "yaml";
import { interpolate, type References } from "./interpolation.ts";
import { parseYaml, type YamlText } from "./parse_yaml.ts";
import { type Mistake, type Path, type Place, quoted } from "./problem.ts";

/** Values after aliases are followed, at most: more is an alias bomb. */
const MOST_VALUES = 50_000;

/** Levels below the top, at most. */
const DEEPEST = 64;

/** A value of the file and where it stands. */
export interface Located {
  /** Text, number, flag, list or mapping; `undefined` where the file has none that can be used. */
  readonly value: unknown;
  readonly offset: number;
  /** Where its key stands, in a mapping. */
  readonly keyOffset?: number;
  /** The text before `${…}` was replaced, where there was one. */
  readonly written?: string;
  readonly children?: ReadonlyMap<string | number, Located>;
}

/** A mistake that is seen without a schema, and the place of it. */
export interface PlacedMistake {
  readonly path: Path;
  readonly message: string;
  readonly place: Place;
}

/** A YAML file as plain values, with every reference replaced, that still knows where each value stands. */
export class ConfigDocument {
  /** Its value is `undefined` when the file has none, or its YAML is broken; `mistakes` tells then why. */
  readonly root: Located;
  readonly mistakes: readonly PlacedMistake[];
  /** What came out of `${file:…}`. */
  readonly secrets: readonly string[];
  readonly #yaml: YamlText;

  constructor(text: string, references: References) {
    const yaml = parseYaml(text);
    const mistakes: PlacedMistake[] = yaml.errors.map(({ offset, message }) => ({
      path: [],
      message,
      place: yaml.placeOf(offset),
    }));
    const reader = new Reader(yaml, references, (node, path, message) => {
      mistakes.push({ path, message, place: yaml.placeOf(offsetOf(node)) });
    });
    this.#yaml = yaml;
    this.root = yaml.usable ? reader.read(yaml.contents, []) : nothingAt(null);
    this.mistakes = mistakes;
    this.secrets = reader.secrets;
  }

  /** The value at a path, if the file has one there. */
  at(path: Path): Located | undefined {
    let located: Located | undefined = this.root;
    for (const step of path) located = located?.children?.get(step);
    return located;
  }

  /** Where the value at a path stands, or its key, or else the nearest value above it that the file has. */
  placeOf(path: Path, where: Mistake["where"] = "value"): Place {
    let located = this.root;
    for (const [depth, step] of path.entries()) {
      const child = located.children?.get(step);
      if (!child) break;
      located = child;
      if (where === "key" && depth === path.length - 1 && child.keyOffset !== undefined) {
        return this.#yaml.placeOf(child.keyOffset);
      }
    }
    return this.#yaml.placeOf(located.offset);
  }
}

/** Turns YAML nodes into plain values. */
class Reader {
  readonly secrets: string[] = [];
  readonly #yaml: YamlText;
  readonly #references: References;
  readonly #report: (node: Node | null, path: Path, message: string) => void;
  /** The lists and mappings being read, so that no alias is followed inside of what it stands for. */
  readonly #open = new Set<Node>();
  #values = 0;

  constructor(
    yaml: YamlText,
    references: References,
    report: (node: Node | null, path: Path, message: string) => void,
  ) {
    this.#yaml = yaml;
    this.#references = references;
    this.#report = report;
  }

  read(node: Node | null, path: Path): Located {
    if (++this.#values > MOST_VALUES) {
      if (this.#values === MOST_VALUES + 1) this.#report(node, path, `more than ${MOST_VALUES} values`);
      return nothingAt(node);
    }
    if (path.length > DEEPEST) {
      this.#report(node, path, `more than ${DEEPEST} levels deep`);
      return nothingAt(node);
    }
    if (isAlias(node)) {
      const target = this.#targetOf(node, path);
      return target ? this.read(target, path) : nothingAt(node);
    }
    if (isMap(node)) return this.#within(node, () => this.#readMap(node, path));
    if (isSeq(node)) return this.#within(node, () => this.#readList(node, path));
    return this.#readScalar(node, path);
  }

  #readList(node: YAMLSeq, path: Path): Located {
    const children = new Map(
      node.items.map((item, index) => [index, this.read(asNode(item), [...path, index])]),
    );
    return { value: [...children.values()].map(({ value }) => value), offset: offsetOf(node), children };
  }

  #readScalar(node: Node | null, path: Path): Located {
    const value = isScalar(node) ? node.value : null;
    if (value === null) {
      this.#report(
        node,
        path,
        path.length === 0 ? "the file is empty" : "has no value; give it one or leave it out",
      );
      return nothingAt(node);
    }
    const offset = offsetOf(node);
    if (typeof value === "number" || typeof value === "boolean") return { value, offset };
    if (typeof value !== "string") {
      this.#report(node, path, "expected text, a number, true or false");
      return nothingAt(node);
    }
    if (!value.includes("${")) return { value, offset };
    const { text, secrets, problems } = interpolate(value, this.#references);
    this.secrets.push(...secrets);
    for (const problem of problems) this.#report(node, path, problem);
    return { value: problems.length > 0 ? undefined : text, offset, written: value };
  }

  #readMap(map: YAMLMap, path: Path): Located {
    const children = new Map<string, Located>();
    const merged: Located[] = [];
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      const key = this.#keyOf(pair, path);
      if (key === undefined) continue;
      if (key === "<<" && isScalar(pair.key) && pair.key.type === "PLAIN") {
        merged.push(...this.#readMerged(pair.value, path));
        continue;
      }
      const keyOffset = offsetOf(pair.key);
      const first = children.get(key);
      if (first?.keyOffset !== undefined) {
        const { line } = this.#yaml.placeOf(first.keyOffset);
        this.#report(pair.key, [...path, key], `given twice, first in line ${line}`);
        continue;
      }
      const child = this.read(pair.value, [...path, key]);
      // Where nothing stands, the key is a better place to point at than the end of its line.
      children.set(key, {
        ...child,
        keyOffset,
        offset: child.value === undefined ? keyOffset : child.offset,
      });
    }
    for (const { children: inherited } of merged) {
      for (const [key, child] of inherited ?? []) {
        if (typeof key === "string" && !children.has(key)) children.set(key, child);
      }
    }
    const given = [...children].filter(([, { value }]) => value !== undefined);
    return {
      value: Object.fromEntries(given.map(([key, { value }]) => [key, value])),
      offset: offsetOf(map),
      children,
    };
  }

  /** `<<: *base`, or a list of such. */
  #readMerged(node: Node | null, path: Path): Located[] {
    const given = isAlias(node) ? this.#targetOf(node, path) : node;
    if (given === undefined) return [];
    const mappings = isSeq(given) ? given.items.map(asNode) : [given];
    return mappings.flatMap((each) => {
      const mapping = isAlias(each) ? this.#targetOf(each, path) : each;
      if (isMap(mapping)) return this.read(mapping, path);
      if (mapping) this.#report(each, path, "'<<' takes a mapping, an alias of one, or a list of those");
      return [];
    });
  }

  /** What an alias stands for, if it can be read. */
  #targetOf(alias: Alias, path: Path): Node | undefined {
    const target = this.#yaml.targets.get(alias);
    if (!target) {
      this.#report(alias, path, "a '*' that names no anchor ('&') above it; quote the value if it is text");
    } else if (this.#open.has(target)) {
      this.#report(alias, path, "an alias inside of what it stands for");
      return undefined;
    }
    return target;
  }

  #within<Result>(node: Node, read: () => Result): Result {
    this.#open.add(node);
    const result = read();
    this.#open.delete(node);
    return result;
  }

  #keyOf({ key }: Pair<Node | null, unknown>, path: Path): string | undefined {
    const value = isScalar(key) ? (key as Scalar).value : undefined;
    if (typeof value === "string" && value !== "__proto__") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    this.#report(
      key,
      path,
      value === "__proto__" ? `a key may not be ${quoted(value)}` : "a key must be text",
    );
    return undefined;
  }
}

function asNode(item: unknown): Node | null {
  return isScalar(item) || isMap(item) || isSeq(item) || isAlias(item) ? item : null;
}

function offsetOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}

function nothingAt(node: Node | null): Located {
  return { value: undefined, offset: offsetOf(node) };
}
