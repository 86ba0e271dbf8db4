import type { JsonText, MemberDifference } from "../twin/json_text.ts";
import { type JsonPatch, memberPath } from "./json_patch.ts";
import { DEEPEST } from "./service_made.ts";

/**
 * The properties of a twin or component that were written, with whatever value: a member of `$metadata` that is an
 * object with a `lastUpdateTime` speaks of the property of its name, and that time moved.
 */
export function writtenProperties(before: JsonText, after: JsonText): readonly string[] {
  const old = before.get("$metadata");
  const metadata = after.get("$metadata");
  if (old?.kind !== "object" || metadata?.kind !== "object") return [];
  const properties: string[] = [];
  for (const { key, before, after } of metadata.differencesFrom(old)) {
    const was = before?.get("lastUpdateTime");
    const is = after?.get("lastUpdateTime");
    if (was && is && !is.equals(was)) properties.push(key);
  }
  return properties;
}

/** Adds to the patch what remains of a `$metadata` at `path`, whose differences are given. */
export function patchMetadata(
  patch: JsonPatch,
  path: string,
  differences: readonly MemberDifference[],
  withModel: boolean,
  depth = 0,
): void {
  for (const { key, before, after } of differences) {
    const member = memberPath(path, key);
    if (isToldOf(key, after ?? before, withModel)) {
      if (!after) { if (key === "$model") patch.remove(member); }
      else if (!before) patch.add(member, after.toString());
      else if (!after.equals(before)) patch.replace(member, after.toString());
    } else if (after?.kind === "object" && depth < DEEPEST) {
      if (before?.kind === "object") {
        patchMetadata(patch, member, after.differencesFrom(before), false, depth + 1);
      } else addMetadata(patch, member, undefined, after, false);
    }
  }
}

/**
 * The same where there is no `$metadata` at `path` that the patch could change: one `add` of what remains of the new
 * one. `before` is what it was nevertheless, and says which times moved.
 */
export function addMetadata(
  patch: JsonPatch,
  path: string,
  before: JsonText | undefined,
  after: JsonText,
  withModel: boolean,
): void {
  const remains = remainder(before, after, withModel, 0);
  if (remains !== undefined) patch.add(path, remains);
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
    const text = isToldOf(key, value, withModel)
      ? (was && value.equals(was) ? undefined : value.toString())
      : remainder(was, value, false, depth + 1);
    if (text !== undefined) members.push(`${JSON.stringify(key)}:${text}`);
  }
  return members.length > 0 ? `{${members.join(",")}}` : undefined;
}

/** A `sourceTime` that is an object speaks of a property of that name. */
function isToldOf(key: string, value: JsonText | undefined, withModel: boolean): boolean {
  return (withModel && key === "$model") || (key === "sourceTime" && value?.kind !== "object");
}
