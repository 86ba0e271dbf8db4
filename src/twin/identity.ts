import type { JsonText } from "./json_text.ts";
import type { Label } from "./label.ts";
import type { Entity } from "./twin_change.ts";

/** Who a row is. Of a relationship, the id or the source may be known before the other is. */
export type Identity =
  | Exclude<Entity, { readonly entity: "relationship" }>
  | {
    readonly entity: "relationship";
    readonly id: string | undefined;
    readonly sourceId: string | undefined;
  };

/** Who the body says its row is, `undefined` if nobody. */
export function identityOf(label: Pick<Label, "kind" | "holdsModels">, body: JsonText): Identity | undefined {
  if (label.kind === "edge") {
    const id = nameIn(body, "$relationshipId");
    const sourceId = nameIn(body, "$sourceId");
    return id === undefined && sourceId === undefined ? undefined : { entity: "relationship", id, sourceId };
  }
  const twinId = nameIn(body, "$dtId");
  if (twinId !== undefined) return { entity: "twin", id: twinId };
  const modelId = label.holdsModels ? nameIn(body, "id") : undefined;
  return modelId?.startsWith("dtmi:") ? { entity: "model", id: modelId } : undefined;
}

/** The identity of a row that keeps what its new body does not say. */
export function keptIdentity(
  said: Identity | undefined,
  earlier: Identity | undefined,
): Identity | undefined {
  if (said?.entity !== "relationship" || earlier?.entity !== "relationship") return said ?? earlier;
  return { entity: "relationship", id: said.id ?? earlier.id, sourceId: said.sourceId ?? earlier.sourceId };
}

/** Whether nothing of it is missing. */
export function isWhole(identity: Identity | undefined): identity is Entity {
  return identity?.id !== undefined && keyOf(identity) !== undefined;
}

/** Whether events of both have one subject. */
export function isSame(a: Entity, b: Entity): boolean {
  return a.entity === b.entity && a.id === b.id && keyOf(a) === keyOf(b);
}

/** Events of one key stay in order: a twin's own, and those of the relationships that begin at it. */
export function keyOf(identity: Identity): string | undefined {
  return identity.entity === "relationship" ? identity.sourceId : identity.id;
}

/** A string that can name something, which the empty one cannot. */
function nameIn(body: JsonText, key: string): string | undefined {
  return body.get(key)?.string || undefined;
}
