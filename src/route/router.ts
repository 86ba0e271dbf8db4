import type { EventFormat, RouterEvent } from "../event/cloud_event.ts";
import type { EventFactory, EventOptions } from "../event/event_factory.ts";
import type { Gap, TwinChange } from "../twin/twin_change.ts";

/** One route of the configuration, its sink known by index. */
export interface Route {
  readonly name: string;
  readonly sink: number;
  readonly format: EventFormat;
  readonly includeMetadata: boolean;
}

/** Where an event goes: a sink, and the route that says so. */
export interface Target {
  readonly sink: number;
  readonly route: string;
}

/** An event and the sinks that get it. */
export interface RoutedEvent {
  readonly kind: "event";
  readonly event: RouterEvent;
  readonly targets: readonly Target[];
}

/** Routes that want the same rendering of a change, so that it is made once for all of them. */
interface Rendering {
  readonly format: EventFormat;
  readonly options: EventOptions;
  readonly targets: Target[];
}

/** Turns changes into events, and says which sinks get each. */
export class Router {
  readonly #factory: EventFactory;
  readonly #renderings: readonly Rendering[];

  /** Where several routes of one sink and format match an event, the first wins: a sink gets an event once. */
  constructor(routes: readonly Route[], factory: EventFactory) {
    this.#factory = factory;
    const renderings = new Map<string, Rendering>();
    const taken = new Set<string>();
    for (const { name, sink, format, includeMetadata } of routes) {
      if (taken.has(`${sink} ${format}`)) continue;
      taken.add(`${sink} ${format}`);
      const key = `${format} ${includeMetadata}`;
      let rendering = renderings.get(key);
      if (!rendering) renderings.set(key, rendering = { format, options: { includeMetadata }, targets: [] });
      rendering.targets.push({ sink, route: name });
    }
    this.#renderings = [...renderings.values()];
  }

  /** Appends to `out` the events that somebody gets, in order. */
  route(change: TwinChange | Gap, out: { push(event: RoutedEvent): unknown }): void {
    for (const { format, options, targets } of this.#renderings) {
      for (const event of this.#factory.eventsOf(change, format, options)) {
        out.push({ kind: "event", event, targets });
      }
    }
  }
}
