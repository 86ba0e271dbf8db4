import { Filter } from "../../src/route/filter/filter.ts";
import { WrittenEvent } from "../../src/route/filter/filterable_event.ts";
import type { ModelHierarchy } from "../../src/route/filter/model_hierarchy.ts";
import { JsonText } from "../../src/twin/json_text.ts";

/** Attributes of an event, and its body as JSON text where digits matter. */
export interface SampleEvent {
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: string;
}

/** The event in CloudEvents' JSON format. */
export function writtenEvent({ attributes = {}, body }: SampleEvent): WrittenEvent {
  const members = Object.entries(attributes).map(([name, value]) =>
    `${JSON.stringify(name)}: ${JSON.stringify(value)}`
  );
  if (body !== undefined) members.push(`"data": ${body}`);
  return new WrittenEvent(JsonText.parse(`{${members.join(", ")}}`));
}

export function matches(filter: string, event: SampleEvent, models?: ModelHierarchy): boolean {
  return new Filter(filter).matches(writtenEvent(event), models);
}
