import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { routerEvent } from "./router_events.ts";

/** An update of a twin, the `number`th, with what a test wants otherwise. */
export function cloudEvent(number: number, other: Partial<CloudEvent> = {}): CloudEvent {
  return routerEvent(other.partitionkey ?? `room-${number}`, number, other).event;
}

/** So many events of so many twins in turn. */
export function cloudEvents(count: number, keys: number = count, first = 0): CloudEvent[] {
  return Array.from(
    { length: count },
    (_, index) => cloudEvent(first + index, { partitionkey: `room-${(first + index) % keys}` }),
  );
}
