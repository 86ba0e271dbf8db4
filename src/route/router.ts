import type { EventFormat, RouterEvent } from "../event/cloud_event.ts";
import { type Dialect, OWN_DIALECT } from "../event/dialect.ts";
import type { EventFactory, EventOptions, Happening } from "../event/event_factory.ts";
import type { EventFilter } from "./event_filter.ts";
import { UnsentEvent } from "./filter/filterable_event.ts";
import { type ModelHierarchy, noHierarchy } from "./filter/model_hierarchy.ts";
import { Preselection } from "./preselection.ts";

/** One route of the configuration, its sink known by index. */
export interface Route {
  readonly name: string;
  readonly sink: number;
  readonly format: EventFormat;
  readonly includeMetadata: boolean;
  /** The router's own when left out. */
  readonly dialect?: Dialect;
  /** Absent where the route wants everything. */
  readonly filter?: EventFilter;
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

/** Which models extend which, in each graph. */
export interface GraphModels {
  /** Whether a model is `ancestor` or extends it, directly or not; asked for each event, as models change. */
  isOfModel(graph: string, model: string, ancestor: string): boolean;
}

/** Of a change, the events that are wanted, beside what routes say. */
export interface Restriction {
  /** The only sink that gets them. */
  readonly sink?: number;
  readonly filter?: EventFilter;
}

/** How a change is told; made once for all routes that want it told so. */
interface Rendering {
  readonly format: EventFormat;
  readonly options: EventOptions;
}

/** Routes of one sink and format, in order: the first that an event matches gives it to the sink. */
interface Rivals {
  readonly sink: number;
  readonly format: EventFormat;
  readonly candidates: Candidate[];
}

interface Candidate {
  /** Of the route. */
  readonly index: number;
  readonly target: Target;
  readonly filter: EventFilter | undefined;
  /** Its index. */
  readonly rendering: number;
}

/** An event that is being routed. */
interface Draft {
  readonly event: RouterEvent;
  readonly filterable: UnsentEvent;
  /** 1 at the index of each route that may want it. */
  readonly selected: Uint8Array;
  readonly targets: Target[];
}

const NO_RESTRICTION: Restriction = {};

/** Turns changes into events, and says which sinks get each. */
export class Router {
  readonly #factory: EventFactory;
  readonly #models: GraphModels | undefined;
  /** By graph. */
  readonly #hierarchies = new Map<string, ModelHierarchy>();
  readonly #renderings: readonly Rendering[];
  readonly #rivals: readonly Rivals[];
  readonly #preselection: Preselection;

  /**
   * Where several routes of one sink and format match an event, the first wins: a sink gets an event once. Without
   * `models` each model is only itself.
   */
  constructor(routes: readonly Route[], factory: EventFactory, models?: GraphModels) {
    this.#factory = factory;
    this.#models = models;
    this.#preselection = new Preselection(routes.map(({ filter }) => filter));
    const renderings: Rendering[] = [];
    /** By all that makes them differ. */
    const indexes = new Map<string, number>();
    const rivals: Rivals[] = [];
    for (const [index, route] of routes.entries()) {
      const { name, sink, format, includeMetadata, dialect = OWN_DIALECT, filter } = route;
      const wanted: Rendering = { format, options: { includeMetadata, dialect } };
      const key = JSON.stringify(wanted);
      let rendering = indexes.get(key);
      if (rendering === undefined) indexes.set(key, rendering = renderings.push(wanted) - 1);
      let own = rivals.find((known) => known.sink === sink && known.format === format);
      if (!own) rivals.push(own = { sink, format, candidates: [] });
      own.candidates.push({ index, target: { sink, route: name }, filter, rendering });
    }
    this.#renderings = renderings;
    this.#rivals = rivals;
  }

  /** Appends to `out` the events that somebody gets, in order. */
  route(
    change: Happening,
    out: { push(event: RoutedEvent): unknown },
    { sink: only, filter }: Restriction = NO_RESTRICTION,
  ): void {
    const models = this.#hierarchyOf(change.graph);
    const drafts = this.#renderings.map(({ format, options }) => {
      const all = this.#factory.eventsOf(change, format, options).map((event) => this.#draft(event));
      return filter ? all.filter(({ filterable }) => filter.matches(filterable, models)) : all;
    });
    for (const { sink, candidates } of this.#rivals) {
      if (only === undefined || sink === only) this.#assign(candidates, drafts, models);
    }
    // Of all renderings the first events before the second ones: a sink's events stay in the order of their sequence.
    const longest = drafts.reduce((length, events) => Math.max(length, events.length), 0);
    for (let index = 0; index < longest; index++) {
      for (const { [index]: draft } of drafts) {
        if (draft && draft.targets.length > 0) {
          out.push({ kind: "event", event: draft.event, targets: draft.targets });
        }
      }
    }
  }

  #hierarchyOf(graph: string): ModelHierarchy {
    const models = this.#models;
    if (!models) return noHierarchy;
    let hierarchy = this.#hierarchies.get(graph);
    if (!hierarchy) {
      hierarchy = { isOfModel: (model, ancestor) => models.isOfModel(graph, model, ancestor) };
      this.#hierarchies.set(graph, hierarchy);
    }
    return hierarchy;
  }

  #draft(event: RouterEvent): Draft {
    const filterable = new UnsentEvent(event.event);
    return { event, filterable, selected: this.#preselection.of(filterable), targets: [] };
  }

  /** Gives each event to the first candidate that wants it. The same event has the same id in every rendering. */
  #assign(
    candidates: readonly Candidate[],
    drafts: readonly (readonly Draft[])[],
    models: ModelHierarchy,
  ): void {
    const taken = new Set<string>();
    for (const { index, target, filter, rendering } of candidates) {
      for (const { event: { event }, filterable, selected, targets } of drafts[rendering] ?? []) {
        if (selected[index] === 0 || taken.has(event.id)) continue;
        if (filter && !filter.matches(filterable, models)) continue;
        taken.add(event.id);
        targets.push(target);
      }
    }
  }
}
