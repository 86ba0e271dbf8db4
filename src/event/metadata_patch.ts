import type { JsonText, MemberDifference } from "../twin/json_text.ts";
import { type JsonPatch, memberPath } from "./json_patch.ts";
import { DEEPEST } from "./service_made.ts";

/**
 * The properties of a twin or component that were written, with whatever value: a member of `$metadata` that is an
 * object with a `lastUpdateTime` speaks of the property of its name, and that time moved.
 */
export function writtenProperties(members: readonly MemberDifference[]): readonly string[] {
  const metadata = metadataOf(members);
  return metadata ? metadata.within.filter(isLaterEntry).map(({ key }) => key) : [];
}

/** Of the members of a body or component. */
export function metadataOf(members: readonly MemberDifference[]): MemberDifference | undefined {
  for (const member of members) if (member.key === "$metadata") return member;
  return undefined;
}

function isLaterEntry({ within }: MemberDifference): boolean {
  return within.some(({ key, before, after }) =>
    key === "lastUpdateTime" && before !== undefined && after !== undefined && !after.equals(before)
  );
}

/** Adds to the patch what remains of a `$metadata` at `path`, which was an object and is one. */
export function patchMetadata(
  patch: JsonPatch,
  path: string,
  members: readonly MemberDifference[],
  withModel: boolean,
  depth = 0,
): void {
  for (const member of members) {
    const { key, before, after } = member;
    if (remains(key, after ?? before, withModel)) {
      const target = memberPath(path, key);
      if (!before) patch.add(target, `${after}`);
      else if (after && !after.equals(before)) patch.replace(target, `${after}`);
      else if (!after && key === "$model") patch.remove(target);
    } else if (after?.kind === "object" && depth < DEEPEST) {
      const target = memberPath(path, key);
      if (before?.kind === "object") patchMetadata(patch, target, member.within, false, depth + 1);
      else addMetadata(patch, target, undefined, after, false);
    }
  }
}

/**
 * The same where the patched body has no object at `path`: one `add` of what remains of the new one. `before` is what it
 * was nevertheless, and says which times moved.
 */
export function addMetadata(
  patch: JsonPatch,
  path: string,
  before: JsonText | undefined,
  after: JsonText,
  withModel: boolean,
): void {
  const text = remainder(before, after, withModel, 0);
  if (text !== undefined) patch.add(path, text);
}

function remainder(
  before: JsonText | undefined,
  after: JsonText,
  withModel: boolean,
  depth: number,
): string | undefined {
  if (after.kind !== "object" || depth === DEEPEST) return undefined;
  const members: string[] = [];
  for (const [key, value] of after.members()) {
    const was = before?.get(key);
    const text = !remains(key, value, withModel)
      ? remainder(was, value, false, depth + 1)
      : was && value.equals(was)
      ? undefined
      : `${value}`;
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return members.length > 0 ? `{${members.join(",")}}` : undefined;
}

/** Of `$metadata`, patches keep the twin's model and every `sourceTime`; an object of that name is a property's entry. */
function remains(key: string, value: JsonText | undefined, withModel: boolean): boolean {
  return (withModel && key === "$model") || (key === "sourceTime" && value?.kind !== "object");
}
