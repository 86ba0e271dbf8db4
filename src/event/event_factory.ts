import type { Position, Transaction } from "../postgres/row_change.ts";
import { Models } from "../twin/models.ts";
import type { Gap, Telemetry, TwinChange } from "../twin/twin_change.ts";
import type { CloudEvent, EventFormat, RouterEvent } from "./cloud_event.ts";
import { CommitStamp } from "./commit_stamp.ts";
import { dataHistoryOf } from "./data_history.ts";
import { type Dialect, type EventShape, OWN_DIALECT } from "./dialect.ts";
import { EventIds } from "./event_id.ts";
import { bareHostOf, eventSourceOf } from "./event_source.ts";
import type { EventTypeKey } from "./event_types.ts";
import { gapData } from "./gap_data.ts";
import { notificationsOf } from "./notification.ts";
import { telemetryOf } from "./telemetry.ts";

/** What a route can ask of its events beside their format. */
export interface EventOptions {
  /** Patches leave out nothing but `$etag`. */
  readonly includeMetadata: boolean;
  /** The router's own when left out. */
  readonly dialect?: Dialect;
}

/** What a format makes of a change; the factory adds what all formats have in common. */
export interface EventBody {
  readonly type: EventTypeKey;
  /** JSON text. */
  readonly data: string;
  /** What it does not share with all events of its change. */
  readonly attributes?: Partial<Pick<CloudEvent, "id" | "source" | "subject" | "time" | "dataschema">>;
}

/** What bodies say that is not in the change itself. */
export interface EventFacts {
  /** As in the event's attributes. */
  readonly source: string;
  /** As in the event's attributes. */
  readonly time: string;
  readonly shape: EventShape;
  /** As they were when the change was read. */
  readonly models: Models;
  readonly trackLastUpdatedBy: boolean;
}

/** What events are made of. */
export type Happening = TwinChange | Gap | Telemetry;

/** The events of a change in one format, in order; none if it has nothing to say. */
export type EventBodies = (
  item: Happening,
  options: EventOptions,
  facts: EventFacts,
) => readonly EventBody[];

/** Every format is a module, and a line here. */
const FORMATS: Readonly<Record<EventFormat, EventBodies>> = {
  EventNotification: (item, options, facts) =>
    item.kind === "telemetry" ? [] : notificationsOf(item, options, facts),
  DataHistory: (item, options, facts) => item.kind === "telemetry" ? [] : dataHistoryOf(item, options, facts),
  Telemetry: (item, _options, facts) => item.kind === "telemetry" ? telemetryOf(item, facts) : [],
};

export interface EventFactoryOptions {
  /** `{graph}` in it stands for the graph's name. */
  readonly source: string;
  /** As `IDENTIFY_SYSTEM` gives it: an unsigned 64-bit integer in decimal. */
  readonly systemIdentifier: string;
  readonly database: string;
  /** Whether partition keys begin with the graph's name, because several graphs share a stream. */
  readonly severalGraphs: boolean;
  /** Kept current by whoever reads the changes; without it, nothing is known of any model. */
  readonly models?: Models;
  /** Whether the history says who updated a property; it does not when left out. */
  readonly trackLastUpdatedBy?: boolean;
}

/** How many events of one change an id can tell apart. */
const MOST_EVENTS = 1 << 16;

/**
 * Makes CloudEvents of changes. The same change gives the same events, whenever and by whomever it is read; what its model
 * says of a property's type is as the model was known then.
 */
export class EventFactory {
  readonly #options: EventFactoryOptions;
  readonly #models: Models;
  /** By graph. */
  readonly #sources = new Map<string, Readonly<Record<EventShape, string>>>();
  #stamp: CommitStamp | undefined;
  #stamped: Transaction | undefined;

  constructor(options: EventFactoryOptions) {
    this.#options = options;
    this.#models = options.models ?? new Models();
  }

  eventsOf(
    item: Happening,
    format: EventFormat,
    options: EventOptions = NO_OPTIONS,
  ): readonly RouterEvent[] {
    const stamp = this.#stampOf(item.transaction);
    const { shape, types } = options.dialect ?? OWN_DIALECT;
    const source = this.#sourcesOf(item.graph)[shape];
    const time = shape === "adt" ? stamp.timeInTicks : stamp.time;
    const bodies = numbered(
      item,
      FORMATS[format](item, options, {
        source,
        time,
        shape,
        models: this.#models,
        trackLastUpdatedBy: this.#options.trackLastUpdatedBy ?? false,
      }),
    );
    if (bodies.length === 0) return NO_EVENTS;
    const { position } = item;
    const traceparent = item.kind === "gap" ? undefined : item.traceparent;
    const subject = copied(subjectOf(item));
    const partitionkey = copied(this.#partitionKeyOf(item));
    const snapshotRow = this.#snapshotRowOf(item);
    return bodies.map(({ type, data, attributes }, index): RouterEvent => ({
      event: {
        id: snapshotRow === undefined
          ? stamp.id(position ?? NOWHERE, format, item.part + index)
          : EventIds.inSnapshot(snapshotRow, format, index),
        type: types[type],
        source,
        subject,
        time,
        datacontenttype: "application/json",
        partitionkey,
        ...(position && { sequence: stamp.sequence(position, item.part + index) }),
        ...(traceparent !== undefined && { traceparent }),
        ...(snapshotRow !== undefined && { snapshot: true }),
        graph: item.graph,
        data,
        ...attributes,
      },
      graph: item.graph,
      format,
      position,
      committedAt: stamp.committedAt,
    }));
  }

  #stampOf(transaction: Transaction): CommitStamp {
    if (!this.#stamp || this.#stamped !== transaction) {
      const { systemIdentifier, database } = this.#options;
      this.#stamp = new CommitStamp(systemIdentifier, database, transaction);
      this.#stamped = transaction;
    }
    return this.#stamp;
  }

  #sourcesOf(graph: string): Readonly<Record<EventShape, string>> {
    let sources = this.#sources.get(graph);
    if (!sources) {
      const own = eventSourceOf(this.#options.source, graph);
      this.#sources.set(graph, sources = { own, adt: bareHostOf(own) });
    }
    return sources;
  }

  /** What names a row in its snapshot, for its events' ids. */
  #snapshotRowOf(item: Happening): string | undefined {
    if (item.kind !== "change" || !item.snapshot) return undefined;
    const { systemIdentifier, database } = this.#options;
    return JSON.stringify([systemIdentifier, database, item.snapshot.id, item.graph, item.rowId]);
  }

  #partitionKeyOf(item: Happening): string {
    if (item.kind === "gap") return item.graph;
    const key = item.kind === "telemetry"
      ? item.twinId
      : item.entity === "relationship"
      ? item.sourceId
      : item.id;
    return this.#options.severalGraphs ? `${item.graph}/${key}` : key;
  }
}

const NO_OPTIONS: EventOptions = { includeMetadata: false };
const NO_EVENTS: readonly RouterEvent[] = [];
/** Of what has none. */
const NOWHERE: Position = { commitLsn: 0n, ordinal: 0 };

/** Of more events than can be numbered, the last is a gap that says how many are missing. */
function numbered(item: Happening, bodies: readonly EventBody[]): readonly EventBody[] {
  const room = MOST_EVENTS - item.part;
  if (bodies.length <= room) return bodies;
  const kept = bodies.slice(0, room - 1);
  return [...kept, { type: "Gap", data: gapData(item, "too_many_events", bodies.length - kept.length) }];
}

function subjectOf(item: Happening): string {
  if (item.kind === "gap") return item.label ?? item.graph;
  if (item.kind === "telemetry") {
    return item.component === undefined ? item.twinId : `${item.twinId}/components/${item.component}`;
  }
  return item.entity === "relationship" ? `${item.sourceId}/relationships/${item.id}` : item.id;
}

/** A name is a slice of the row's text, which an event that waits for its sink must not keep in memory. */
function copied(name: string): string {
  return ` ${name}`.slice(1);
}
