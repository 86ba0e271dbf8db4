import type { JsonText } from "../twin/json_text.ts";
import type { Gap, TwinChange } from "../twin/twin_change.ts";
import { adtHistory } from "./adt_history.ts";
import type { EventShape } from "./dialect.ts";
import type { EventBody, EventFacts, EventOptions } from "./event_factory.ts";
import { gapData } from "./gap_data.ts";
import { type HistoryBodies, type LifecycleAction, ownHistory } from "./history_bodies.ts";
import { modelOf } from "./model_of.ts";
import { propertyChanges } from "./property_changes.ts";

const BODIES: Readonly<Record<EventShape, HistoryBodies>> = { own: ownHistory, adt: adtHistory };

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
  facts: EventFacts,
): EventBody {
  return {
    type: change.entity === "relationship" ? "RelationshipLifecycle" : "TwinLifecycle",
    data: BODIES[facts.shape].lifecycle(change, body, action, facts),
  };
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
  const bodyOf = BODIES[facts.shape].properties(change, before, after, facts);
  return changes.map((property): EventBody => ({ type: "PropertyEvent", data: bodyOf(property) }));
}
