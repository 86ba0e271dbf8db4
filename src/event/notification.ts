import type { JsonText } from "../twin/json_text.ts";
import type { Gap, TwinChange } from "../twin/twin_change.ts";
import { bodyPatch } from "./body_patch.ts";
import type { EventShape } from "./dialect.ts";
import type { EventBody, EventFacts, EventOptions } from "./event_factory.ts";
import type { EventTypeKey } from "./event_types.ts";
import { gapData } from "./gap_data.ts";
import { modelOf } from "./model_of.ts";

/** What a change is called. */
const TYPES = {
  twin: { create: "TwinCreate", update: "TwinUpdate", delete: "TwinDelete" },
  relationship: { create: "RelationshipCreate", update: "RelationshipUpdate", delete: "RelationshipDelete" },
  model: { create: "ModelCreate", update: "ModelUpdate", delete: "ModelDelete" },
} as const satisfies Record<TwinChange["entity"], Record<TwinChange["action"], EventTypeKey>>;

/**
 * Event notifications: the whole body for a create and a delete, `{modelId, patch}` for an update that changed
 * something, `{reason, graph, from, to}` for a gap.
 */
export function notificationsOf(
  item: TwinChange | Gap,
  { includeMetadata }: EventOptions,
  { shape }: EventFacts,
): readonly EventBody[] {
  if (item.kind === "gap") return [{ type: "Gap", data: gapData(item, item.reason) }];
  const type = TYPES[item.entity][item.action];
  switch (item.action) {
    case "create":
      return [{ type, data: wholeBody(item, item.after, shape) }];
    case "delete":
      return [{ type, data: wholeBody(item, item.before, shape) }];
    case "update": {
      const patch = bodyPatch(item.entity, item.before, item.after, includeMetadata, shape);
      if (patch === undefined) return [];
      const modelId = item.entity === "model" ? JSON.stringify(item.id) : modelOf(item.after);
      return [{ type, data: modelId ? `{"modelId":${modelId},"patch":${patch}}` : `{"patch":${patch}}` }];
    }
    default:
      return item satisfies never;
  }
}

/** In Azure Digital Twins a relationship always says where it begins, which the row may leave to an earlier one. */
function wholeBody(change: TwinChange, body: JsonText, shape: EventShape): string {
  const text = body.toString();
  if (shape === "own" || change.entity !== "relationship" || body.get("$sourceId")) return text;
  const members = text.slice(text.indexOf("{") + 1).trimStart();
  return `{"$sourceId":${JSON.stringify(change.sourceId)}${members === "}" ? "" : ","}${members}`;
}
