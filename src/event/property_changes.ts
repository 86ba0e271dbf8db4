import { JsonText, type MemberDifference } from "../twin/json_text.ts";
import type { PropertyPath } from "../twin/models.ts";
import { metadataOf } from "./metadata_patch.ts";

/** What happened to a property in one change of its twin or relationship. */
export interface PropertyChange {
  readonly path: PropertyPath;
  /** Undefined for a property that was added. */
  readonly before: JsonText | undefined;
  /** Undefined for a property that was removed. */
  readonly after: JsonText | undefined;
  /** Of its metadata, if this change set or moved it. */
  readonly sourceTime: JsonText | undefined;
  /** Of its metadata, if this change set or moved it, or wrote the property anew for the same one. */
  readonly lastUpdatedBy: JsonText | undefined;
}

/**
 * The properties that make the new body of the old one: the new body's in its order, then those that were removed.
 * Without an old body each is added. A property is a top-level member whose name does not begin with `$`; a component, an
 * object with a `$metadata` of its own, is opened, and its members are properties.
 *
 * Where `tellsWrites`, a property that was written again with the same value is among them, and all of a component that
 * was: a member of `$metadata` that is an object with a `lastUpdateTime` speaks of the property of its name. So is one
 * whose `sourceTime` alone was set or moved; what a component's own `$metadata` does not say of a property is what is
 * said of the component.
 */
export function propertyChanges(
  before: JsonText | undefined,
  after: JsonText,
  { tellsWrites }: { readonly tellsWrites: boolean },
): readonly PropertyChange[] {
  const changes = new PropertyChanges(tellsWrites);
  changes.compare(before ?? EMPTY, after);
  return changes.all;
}

const EMPTY = JsonText.parse("{}");

/** What `$metadata` said and says of something. */
interface Entry {
  readonly before: JsonText | undefined;
  readonly after: JsonText | undefined;
}

class PropertyChanges {
  readonly #tellsWrites: boolean;
  readonly #present: PropertyChange[] = [];
  readonly #removed: PropertyChange[] = [];

  constructor(tellsWrites: boolean) {
    this.#tellsWrites = tellsWrites;
  }

  get all(): readonly PropertyChange[] {
    return [...this.#present, ...this.#removed];
  }

  compare(before: JsonText, after: JsonText): void {
    for (const member of touchedMembers(before, after, false)) {
      const { key } = member;
      const entry = entryOf(before, after, key);
      const was = isComponent(member.before) ? member.before : undefined;
      const is = isComponent(member.after) ? member.after : undefined;
      const valueBefore = was ? undefined : member.before;
      const valueAfter = is ? undefined : member.after;
      if (valueBefore || valueAfter) {
        this.#property([key], valueBefore, valueAfter, [entry], isWritten(entry));
      }
      if (was || is) this.#component(key, was ?? EMPTY, is ?? EMPTY, entry);
    }
  }

  #component(name: string, before: JsonText, after: JsonText, entry: Entry): void {
    const own = { before: before.get("$metadata"), after: after.get("$metadata") };
    const members = touchedMembers(before, after, isTouched(entry) || isTouched(own));
    const isWrittenAgain = isWritten(entry) && !members.some(isChanged);
    for (const { key, before: was, after: is } of members) {
      const inner = entryOf(before, after, key);
      this.#property([name, key], was, is, [inner, entry, own], isWrittenAgain || isWritten(inner));
    }
  }

  /** `entries` speak of it, the nearest first. */
  #property(
    path: PropertyPath,
    before: JsonText | undefined,
    after: JsonText | undefined,
    entries: readonly Entry[],
    isWrittenAgain: boolean,
  ): void {
    const sourceEntry = entries.find(({ after }) => stampIn(after, "sourceTime"));
    const sourceTime = sourceEntry && newStamp(sourceEntry, "sourceTime");
    const isSaid = (this.#tellsWrites && isWrittenAgain) || sourceTime !== undefined;
    if (!isSaid && !isChanged({ before, after })) return;
    const authorEntry = entries.find(({ after }) => stampIn(after, "lastUpdatedBy"));
    const lastUpdatedBy = authorEntry && isWritten(authorEntry)
      ? stampIn(authorEntry.after, "lastUpdatedBy")
      : authorEntry && newStamp(authorEntry, "lastUpdatedBy");
    (after ? this.#present : this.#removed).push({ path, before, after, sourceTime, lastUpdatedBy });
  }
}

/** Properties that may have changed, or of which something was said; `all` has those too that are the same. */
function touchedMembers(before: JsonText, after: JsonText, all: boolean): readonly MemberDifference[] {
  let members = after.differencesFrom(before);
  const touched = all ? [...after.members().keys()] : touchedBy(metadataOf(members));
  if (!touched.every((name) => members.some(({ key }) => key === name))) {
    members = after.differencesFrom(before, touched);
  }
  return members.filter(({ key }) => !key.startsWith("$"));
}

/** The properties that a `$metadata` has news of. */
function touchedBy(metadata: MemberDifference | undefined): readonly string[] {
  if (metadata?.after?.kind !== "object") return [];
  return metadata.before?.kind === "object"
    ? metadata.within.filter(isTouched).map(({ key }) => key)
    : [...metadata.after.members().keys()];
}

function isTouched(entry: Entry): boolean {
  return isWritten(entry) || newStamp(entry, "sourceTime") !== undefined;
}

function isComponent(value: JsonText | undefined): boolean {
  return value?.get("$metadata") !== undefined;
}

function isChanged({ before, after }: Entry): boolean {
  return !before || !after || !after.equals(before);
}

function entryOf(before: JsonText, after: JsonText, name: string): Entry {
  return { before: before.get("$metadata")?.get(name), after: after.get("$metadata")?.get(name) };
}

function isWritten(entry: Entry): boolean {
  const before = stampIn(entry.before, "lastUpdateTime");
  const after = stampIn(entry.after, "lastUpdateTime");
  return before !== undefined && after !== undefined && !after.equals(before);
}

/** What an entry says that it did not say before. */
function newStamp(entry: Entry, key: "sourceTime" | "lastUpdatedBy"): JsonText | undefined {
  const after = stampIn(entry.after, key);
  const before = stampIn(entry.before, key);
  return after && before?.equals(after) ? undefined : after;
}

/** An object of that name in a component's `$metadata` is the entry of a property that is called so. */
function stampIn(entry: JsonText | undefined, key: string): JsonText | undefined {
  const stamp = entry?.get(key);
  return stamp?.kind === "object" ? undefined : stamp;
}
