import type { Transaction } from "../postgres/row_change.ts";
import type { Gap, TwinChange } from "../twin/twin_change.ts";
import type { EventFormat, RouterEvent } from "./cloud_event.ts";
import { CommitStamp } from "./commit_stamp.ts";
import { eventSourceOf } from "./event_source.ts";
import { EVENT_TYPES, type EventTypeKey } from "./event_types.ts";
import { notificationsOf } from "./notification.ts";

/** What a route can ask of its events beside their format. */
export interface EventOptions {
  /** Patches leave out nothing but `$etag`. */
  readonly includeMetadata: boolean;
}

/** What a format makes of a change; the factory adds what all formats have in common. */
export interface EventBody {
  readonly type: EventTypeKey;
  /** JSON text. */
  readonly data: string;
}

/** The events of a change in one format, in order; none if it has nothing to say. */
export type EventBodies = (item: TwinChange | Gap, options: EventOptions) => readonly EventBody[];

/** Every format is a module, and a line here. */
const FORMATS: Readonly<Record<EventFormat, EventBodies>> = {
  EventNotification: notificationsOf,
  DataHistory: () => [],
  Telemetry: () => [],
};

export interface EventFactoryOptions {
  /** `{graph}` in it stands for the graph's name. */
  readonly source: string;
  /** As `IDENTIFY_SYSTEM` gives it: an unsigned 64-bit integer in decimal. */
  readonly systemIdentifier: string;
  readonly database: string;
  /** Whether partition keys begin with the graph's name, because several graphs share a stream. */
  readonly severalGraphs: boolean;
}

/** Makes CloudEvents of changes. The same change gives the same events, whenever and by whomever it is read. */
export class EventFactory {
  readonly #options: EventFactoryOptions;
  readonly #sources = new Map<string, string>();
  #stamp: CommitStamp | undefined;
  #stamped: Transaction | undefined;

  constructor(options: EventFactoryOptions) {
    this.#options = options;
  }

  eventsOf(
    item: TwinChange | Gap,
    format: EventFormat,
    options: EventOptions = NO_OPTIONS,
  ): readonly RouterEvent[] {
    const bodies = FORMATS[format](item, options);
    if (bodies.length === 0) return NO_EVENTS;
    const stamp = this.#stampOf(item.transaction);
    const source = this.#sourceOf(item.graph);
    const subject = copied(subjectOf(item));
    const partitionkey = copied(this.#partitionKeyOf(item));
    return bodies.map(({ type, data }, index): RouterEvent => ({
      event: {
        id: stamp.id(item.position, format, item.part + index),
        type: EVENT_TYPES[type],
        source,
        subject,
        time: stamp.time,
        datacontenttype: "application/json",
        partitionkey,
        sequence: stamp.sequence(item.position, item.part + index),
        ...(item.kind === "change" && item.traceparent !== undefined && { traceparent: item.traceparent }),
        data,
      },
      format,
      position: item.position,
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

  #sourceOf(graph: string): string {
    let source = this.#sources.get(graph);
    if (source === undefined) this.#sources.set(graph, source = eventSourceOf(this.#options.source, graph));
    return source;
  }

  #partitionKeyOf(item: TwinChange | Gap): string {
    if (item.kind === "gap") return item.graph;
    const key = item.entity === "relationship" ? item.sourceId : item.id;
    return this.#options.severalGraphs ? `${item.graph}/${key}` : key;
  }
}

const NO_OPTIONS: EventOptions = { includeMetadata: false };
const NO_EVENTS: readonly RouterEvent[] = [];

function subjectOf(item: TwinChange | Gap): string {
  if (item.kind === "gap") return item.label;
  return item.entity === "relationship" ? `${item.sourceId}/relationships/${item.id}` : item.id;
}

/** A name is a slice of the row's text, which an event that waits for its sink must not keep in memory. */
function copied(name: string): string {
  return ` ${name}`.slice(1);
}
