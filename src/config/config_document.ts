import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from "yaml";
import type { YAMLMap } from "yaml";
import { interpolate, type References } from "./interpolation.ts";
import { parseYaml, type YamlText } from "./parse_yaml.ts";
import { formatPath, type Path, type Problem, quoted } from "./problem.ts";

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

/** A YAML file as plain values, with every reference replaced, that still knows where each value stands. */
export class ConfigDocument {
  readonly root: Located;
  readonly problems: readonly Problem[];
  /** The paths that have a problem. */
  readonly broken: ReadonlySet<string>;
  /** What came out of `${file:…}`. */
  readonly secrets: readonly string[];
  readonly #file: string;
  readonly #yaml: YamlText;

  constructor(file: string, text: string, references: References) {
    this.#file = file;
    this.#yaml = parseYaml(text);
    const problems = this.#yaml.errors.map(({ offset, message }) => this.#problem(offset, [], message));
    const reader = new Reader(
      this.#yaml,
      references,
      (node, path, message) => problems.push(this.#problem(offsetOf(node), path, message)),
    );
    this.root = this.#yaml.usable ? reader.read(this.#yaml.contents, []) : { value: undefined, offset: 0 };
    this.secrets = reader.secrets;
    this.problems = problems;
    this.broken = new Set(problems.map(({ path }) => path));
  }

  /** Whether the YAML could be read so far that its values mean anything. */
  get usable(): boolean {
    return this.#yaml.usable;
  }

  /** The line that a path's value, or the nearest above it, stands in. */
  lineOf(path: Path): number {
    return this.problemAt(path, "").line;
  }

  /** The value at a path, if the file has one there. */
  at(path: Path): Located | undefined {
    let located: Located | undefined = this.root;
    for (const step of path) located = located?.children?.get(step);
    return located;
  }

  /**
   * A problem at a path, or at the nearest value above it that the file has. `where` says which end of a mapping's
   * entry is meant.
   */
  problemAt(path: Path, message: string, where: "key" | "value" = "value"): Problem {
    let located = this.root;
    for (const [depth, step] of path.entries()) {
      const child = located.children?.get(step);
      if (!child) break;
      located = child;
      if (where === "key" && depth === path.length - 1 && child.keyOffset !== undefined) {
        return this.#problem(child.keyOffset, path, message);
      }
    }
    return this.#problem(located.offset, path, message);
  }

  #problem(offset: number, path: Path, message: string): Problem {
    return { file: this.#file, ...this.#yaml.placeOf(offset), path: formatPath(path), message };
  }
}

/** Turns YAML nodes into plain values. */
class Reader {
  readonly secrets: string[] = [];
  readonly #yaml: YamlText;
  readonly #references: References;
  readonly #report: (node: Node | null, path: Path, message: string) => void;
  /** Aliases being followed, so that none is followed inside itself. */
  readonly #following = new Set<Node>();
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
    if (isAlias(node)) return this.#follow(node, path, (target) => this.read(target, path));
    if (isMap(node)) return this.#readMap(node, path);
    if (isSeq(node)) {
      const children = new Map(
        node.items.map((item, index) => [index, this.read(asNode(item), [...path, index])]),
      );
      return { value: [...children.values()].map(({ value }) => value), offset: offsetOf(node), children };
    }
    return this.#readScalar(node, path);
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
    if (isAlias(node)) {
      let mappings: Located[] = [];
      this.#follow(node, path, (target) => {
        mappings = this.#readMerged(target, path);
        return nothingAt(node);
      });
      return mappings;
    }
    if (isMap(node)) return [this.#readMap(node, path)];
    if (isSeq(node)) return node.items.flatMap((item) => this.#readMerged(asNode(item), path));
    this.#report(node, path, "'<<' takes a mapping, an alias of one, or a list of those");
    return [];
  }

  #follow(alias: Alias, path: Path, read: (target: Node) => Located): Located {
    const target = this.#yaml.targets.get(alias);
    if (!target) {
      this.#report(alias, path, "a '*' that names no anchor ('&') above it; quote the value if it is text");
      return nothingAt(alias);
    }
    if (this.#following.has(target)) {
      this.#report(alias, path, "an alias inside of what it stands for");
      return nothingAt(alias);
    }
    this.#following.add(target);
    const located = read(target);
    this.#following.delete(target);
    return located;
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
