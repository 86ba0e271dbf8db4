import { JsonText, type MemberDifference } from "../twin/json_text.ts";
import type { Entity } from "../twin/twin_change.ts";
import type { EventShape } from "./dialect.ts";
import { JsonPatch, memberPath } from "./json_patch.ts";
import { addMetadata, metadataOf, patchMetadata, writtenProperties } from "./metadata_patch.ts";
import { DEEPEST, isServiceMade, valueText } from "./service_made.ts";

/**
 * The JSON Patch that makes the new body of a twin, relationship or model of its old one, service-made members aside;
 * `undefined` if there is nothing to say. Without an old body it adds each property.
 *
 * Objects are compared member by member, all else by JSON value and replaced whole. The new body's members come first,
 * then removals, then what is in any `$metadata`. Left out are `$etag`, `$lastUpdateTime`, `$metadata` (a component's
 * too) and a model's `descendants`; of `$metadata` remain the twin's `$model` and each `sourceTime` that was set or
 * moved. With `includeMetadata` only `$etag` is left out.
 *
 * A twin's property that was written again with the same value, which its `lastUpdateTime` tells, is replaced by it; a
 * component counts as one property.
 */
export function bodyPatch(
  entity: Entity["entity"],
  before: JsonText | undefined,
  after: JsonText,
  includeMetadata: boolean,
  shape: EventShape = "own",
): string | undefined {
  const patch = new BodyPatch(entity, includeMetadata, shape);
  if (before) patch.compare(before, after);
  else patch.addProperties(after);
  return patch.text;
}

const EMPTY = JsonText.parse("{}");

class BodyPatch {
  readonly #entity: Entity["entity"];
  readonly #includeMetadata: boolean;
  readonly #patch: JsonPatch;

  constructor(entity: Entity["entity"], includeMetadata: boolean, shape: EventShape) {
    this.#patch = new JsonPatch(shape);
    this.#entity = entity;
    this.#includeMetadata = includeMetadata;
  }

  get text(): string | undefined {
    return this.#patch.size > 0 ? this.#patch.toString() : undefined;
  }

  addProperties(after: JsonText): void {
    for (const [key, value] of after.members()) {
      if (!key.startsWith("$") && !this.#isLeftOut(key)) {
        this.#patch.add(memberPath("", key), this.#text(value));
      }
    }
    if (!this.#includeMetadata) return;
    for (const key of ["$lastUpdateTime", "$metadata"]) {
      const value = after.get(key);
      if (value) this.#patch.add(memberPath("", key), this.#text(value));
    }
  }

  compare(before: JsonText, after: JsonText): void {
    let members = after.differencesFrom(before);
    const written = this.#writtenProperties(members);
    if (!written.every((property) => members.some(({ key }) => key === property))) {
      members = after.differencesFrom(before, written);
    }
    /** Of what the patch writes again, the old `$metadata` is gone. */
    const rewritten: string[] = [];
    for (const member of members) {
      const { key, before, after } = member;
      if (this.#isLeftOut(key)) continue;
      const size = this.#patch.size;
      this.#member("", member, 0);
      if (this.#patch.size > size || !before || !after) continue;
      if (written.includes(key) || this.#writtenProperties(member.within).length > 0) {
        this.#patch.replace(memberPath("", key), this.#text(after));
        rewritten.push(key);
      }
    }
    for (const { key, before, after } of members) {
      if (after?.kind === "object" && key !== "$metadata") {
        this.#metadataWithin(memberPath("", key), before, after, rewritten.includes(key), 0);
      }
    }
    const metadata = metadataOf(members);
    if (metadata) this.#metadata("", metadata, false, this.#entity === "twin");
  }

  /** Only twins say when a property was written. */
  #writtenProperties(members: readonly MemberDifference[]): readonly string[] {
    return this.#entity === "twin" ? writtenProperties(members) : [];
  }

  /** Everything but what is in `$metadata`, unless the member is in one itself. */
  #member(parent: string, member: MemberDifference, depth: number, isMetadata = false): void {
    const { key, before, after } = member;
    const path = memberPath(parent, key);
    if (!after) this.#patch.remove(path);
    else if (!before) this.#patch.add(path, this.#text(after));
    else if (before.kind === "object" && after.kind === "object" && depth < DEEPEST) {
      for (const inner of member.within) {
        if (isServiceMade(inner.key, this.#includeMetadata) || (inner.key === "$metadata" && !isMetadata)) {
          continue;
        }
        this.#member(path, inner, depth + 1, isMetadata);
      }
    } else if (!after.equals(before)) this.#patch.replace(path, this.#text(after));
  }

  /** What the `$metadata` of components within the value have to say; `isGone` if the patch wrote the value anew. */
  #metadataWithin(
    path: string,
    before: JsonText | undefined,
    after: JsonText,
    isGone: boolean,
    depth: number,
  ): void {
    if (after.kind !== "object" || depth === DEEPEST) return;
    const isNew = isGone || before?.kind !== "object";
    for (const member of after.differencesFrom(before?.kind === "object" ? before : EMPTY)) {
      if (member.key === "$metadata") this.#metadata(path, member, isNew, false);
      else if (member.after) {
        this.#metadataWithin(memberPath(path, member.key), member.before, member.after, isNew, depth + 1);
      }
    }
  }

  #metadata(parent: string, member: MemberDifference, isGone: boolean, withModel: boolean): void {
    if (this.#includeMetadata) {
      // What is new was written with its metadata.
      if (!isGone) this.#member(parent, member, 0, true);
      return;
    }
    const path = memberPath(parent, member.key);
    const { before } = member;
    const after = member.after?.kind === "object" ? member.after : EMPTY;
    if (isGone || before?.kind !== "object") {
      addMetadata(this.#patch, path, before, after, withModel);
    } else {
      const members = after === EMPTY ? EMPTY.differencesFrom(before) : member.within;
      patchMetadata(this.#patch, path, members, withModel);
    }
  }

  #isLeftOut(key: string): boolean {
    return key === "$metadata" || isServiceMade(key, this.#includeMetadata) ||
      (key === "descendants" && this.#entity === "model" && !this.#includeMetadata);
  }

  #text(value: JsonText): string {
    return valueText(value, this.#includeMetadata);
  }
}
