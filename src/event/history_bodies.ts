import type { JsonText } from "../twin/json_text.ts";
import type { TwinChange } from "../twin/twin_change.ts";
import type { EventFacts } from "./event_factory.ts";
import { modelOf } from "./model_of.ts";
import type { PropertyChange } from "./property_changes.ts";
import { valueType } from "./value_type.ts";

export type LifecycleAction = "Create" | "Update" | "Delete";

/** What the events of data history say, as JSON text. */
export interface HistoryBodies {
  /** `body` is the change's new one, or the one that was deleted. */
  lifecycle(change: TwinChange, body: JsonText, action: LifecycleAction, facts: EventFacts): string;
  /** Gives the body for each property of one change. */
  properties(
    change: TwinChange,
    before: JsonText | undefined,
    after: JsonText,
    facts: EventFacts,
  ): (property: PropertyChange) => string;
}

/** The router's own: members that have no value are left out. */
export const ownHistory: HistoryBodies = {
  lifecycle(change, body, action, { source, time }) {
    const at = `"timeStamp":"${time}","serviceId":${JSON.stringify(source)}`;
    const id = JSON.stringify(change.id);
    if (change.entity !== "relationship") {
      return `{"twinId":${id},"action":"${action}",${at}${member("modelId", modelOf(body))}}`;
    }
    return `{"relationshipId":${id},"action":"${action}","name":${relationshipName(change, body)},` +
      `"source":${JSON.stringify(change.sourceId)}${member("target", body.get("$targetId"))},${at}}`;
  },

  properties(change, before, after, facts) {
    const model = modelOf(after);
    const modelId = model?.string;
    const formerModelId = before && modelOf(before)?.string;
    const begin = `{"twinId":${JSON.stringify(twinOf(change))},"propertyName":`;
    const relationship = change.entity === "relationship"
      ? `,"relationshipId":${JSON.stringify(change.id)}${
        member("relationshipTarget", after.get("$targetId"))
      }`
      : "";
    const end = `,"timeStamp":"${facts.time}","serviceId":${JSON.stringify(facts.source)}` +
      `${member("modelId", model)}${relationship}`;
    return (property) => {
      const { path, before, after, sourceTime, lastUpdatedBy } = property;
      // What was removed was a property of the model that the twin had then.
      const type = typeOf(property, change.graph, after ? modelId : formerModelId, facts);
      const operation = !before ? "Add" : after ? "Replace" : "Remove";
      return `${begin}${JSON.stringify(path.join("."))},"propertyValue":${after ?? null},` +
        `"propertyType":"${type}","operation":"${operation}"${end}${member("sourceTimeStamp", sourceTime)}` +
        `${facts.trackLastUpdatedBy ? member("updatedBy", lastUpdatedBy) : ""}}`;
    };
  },
};

/** The label of an edge is the relationship's name, should its properties not say it. */
export function relationshipName(change: TwinChange, body: JsonText): JsonText | string {
  return body.get("$relationshipName") ?? JSON.stringify(change.label);
}

/** Whose property it is: a relationship's belongs to the twin where it begins. */
export function twinOf(change: TwinChange): string {
  return change.entity === "relationship" ? change.sourceId : change.id;
}

/** A member after others, or nothing. */
export function member(key: string, value: JsonText | undefined): string {
  return value ? `,"${key}":${value}` : "";
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
