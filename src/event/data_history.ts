import type { JsonText } from "../twin/json_text.ts";
import type { Gap, TwinChange } from "../twin/twin_change.ts";
import type { EventBody, EventFacts, EventOptions } from "./event_factory.ts";
import { gapData } from "./gap_data.ts";
import { modelOf } from "./model_of.ts";
import { type PropertyChange, propertyChanges } from "./property_changes.ts";
import { valueType } from "./value_type.ts";

type LifecycleAction = "Create" | "Update" | "Delete";

/**
 * Data history: a lifecycle event for a create, a delete and a twin's change of model, then one event for each property
 * that changed; of a delete nothing but the lifecycle event. Models have no history. A gap is told as it is everywhere.
 */
export function dataHistoryOf(
  item: TwinChange | Gap,
  _options: EventOptions,
  facts: EventFacts,
): readonly EventBody[] {
  if (item.kind === "gap") return [{ type: "Gap", data: gapData(item, item.reason) }];
  if (item.entity === "model") return [];
  switch (item.action) {
    case "create":
      return [
        lifecycleOf(item, item.after, "Create", facts),
        ...propertiesOf(item, undefined, item.after, facts),
      ];
    case "delete":
      return [lifecycleOf(item, item.before, "Delete", facts)];
    case "update": {
      const { before, after } = item;
      const properties = propertiesOf(item, before, after, facts);
      const hasOtherModel = before && modelOf(before)?.string !== modelOf(after)?.string;
      return item.entity === "twin" && hasOtherModel
        ? [lifecycleOf(item, after, "Update", facts), ...properties]
        : properties;
    }
    default:
      return item satisfies never;
  }
}

function lifecycleOf(
  change: TwinChange,
  body: JsonText,
  action: LifecycleAction,
  { source, time }: EventFacts,
): EventBody {
  const at = `"timeStamp":"${time}","serviceId":${JSON.stringify(source)}`;
  const id = JSON.stringify(change.id);
  if (change.entity !== "relationship") {
    const data = `{"twinId":${id},"action":"${action}",${at}${member("modelId", modelOf(body))}}`;
    return { type: "TwinLifecycle", data };
  }
  // The label of an edge is the relationship's name, should its properties not say it.
  const name = body.get("$relationshipName") ?? JSON.stringify(change.label);
  const data = `{"relationshipId":${id},"action":"${action}","name":${name},` +
    `"source":${JSON.stringify(change.sourceId)}${member("target", body.get("$targetId"))},${at}}`;
  return { type: "RelationshipLifecycle", data };
}

function propertiesOf(
  change: TwinChange,
  before: JsonText | undefined,
  after: JsonText,
  facts: EventFacts,
): readonly EventBody[] {
  // Only twins say when a property was written.
  const changes = propertyChanges(before, after, { tellsWrites: change.entity === "twin" });
  if (changes.length === 0) return [];
  const model = modelOf(after);
  const modelId = model?.string;
  const formerModelId = before && modelOf(before)?.string;
  const twinId = change.entity === "relationship" ? change.sourceId : change.id;
  const begin = `{"twinId":${JSON.stringify(twinId)},"propertyName":`;
  const relationship = change.entity === "relationship"
    ? `,"relationshipId":${JSON.stringify(change.id)}${member("relationshipTarget", after.get("$targetId"))}`
    : "";
  const end = `,"timeStamp":"${facts.time}","serviceId":${JSON.stringify(facts.source)}` +
    `${member("modelId", model)}${relationship}`;
  return changes.map((property): EventBody => {
    const { path, before, after, sourceTime, lastUpdatedBy } = property;
    // What was removed was a property of the model that the twin had then.
    const type = typeOf(property, change.graph, after ? modelId : formerModelId, facts);
    const operation = !before ? "Add" : after ? "Replace" : "Remove";
    return {
      type: "PropertyEvent",
      data:
        `${begin}${JSON.stringify(path.join("."))},"propertyValue":${
          after ?? null
        },"propertyType":"${type}",` +
        `"operation":"${operation}"${end}${member("sourceTimeStamp", sourceTime)}` +
        `${facts.trackLastUpdatedBy ? member("updatedBy", lastUpdatedBy) : ""}}`,
    };
  });
}

function typeOf(
  { path, before, after }: PropertyChange,
  graph: string,
  modelId: string | undefined,
  { models }: EventFacts,
): string {
  const schema = modelId === undefined ? undefined : models.schemaOf(graph, modelId, path);
  const value = after ?? before;
  return schema ?? (value ? valueType(value) : "null");
}

function member(key: string, value: JsonText | undefined): string {
  return value ? `,"${key}":${value}` : "";
}
