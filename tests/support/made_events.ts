import type { EventFormat, RouterEvent } from "../../src/event/cloud_event.ts";
import type { EventFactory, EventOptions } from "../../src/event/event_factory.ts";
import type { TwinItem } from "../../src/twin/twin_change.ts";

/** What a factory makes, in one format, of all the items of a stream that are events at all. */
export function madeEvents(
  factory: EventFactory,
  items: readonly TwinItem[],
  format: EventFormat = "EventNotification",
  options?: EventOptions,
): RouterEvent[] {
  return items.flatMap((item) =>
    item.kind === "settle" || item.kind === "snapshot" ? [] : factory.eventsOf(item, format, options)
  );
}
