import type { Sink } from "../sink/sink.ts";
import type { RetrySettings } from "./retry_policy.ts";
import type { SinkCondition } from "./sink_health.ts";

/** A sink and how it is to be served. */
export interface SinkSettings {
  readonly name: string;
  /** Its folder under `sinks/`. */
  readonly kind: string;
  readonly sink: Sink;
  /** What it was made of; the same options make the same sink. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Events in a batch, at most; a sink that prefers fewer gets fewer. */
  readonly maxBatchSize: number;
  readonly retry: RetrySettings;
  /** When the queue counts as full: events, or UTF-8 bytes of their bodies. */
  readonly queue: { readonly maxEvents: number; readonly maxBytes: number };
  /** How its events are parked; they are not when left out. */
  readonly parking?: ParkingSettings;
}

/** When a sink's events are parked, and how many. */
export interface ParkingSettings {
  /** Milliseconds that the sink takes nothing before that. */
  readonly parkAfter: number;
  /** UTF-8 bytes of their bodies; with 0 none are. */
  readonly maxParkedBytes: number;
  /** Milliseconds. */
  readonly maxParkedAge: number;
  /** What becomes of the next event: it waits in PostgreSQL, or the oldest ones make room for it. */
  readonly whenFull: "block" | "drop-oldest";
}

/** What `/readyz` and the status page tell of a sink. */
export interface SinkState {
  readonly name: string;
  readonly kind: string;
  /** `leaving`: it was removed from the configuration, and gets only what it was sent before. */
  readonly state: SinkCondition | "parked" | "leaving";
  /** When the state began, in milliseconds since 1970. */
  readonly since: number;
  /** Why it is not connected. */
  readonly lastError?: string;
  /** Not settled yet: waiting, in flight, retried or on the way to the dead letters. */
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  /** Kept for it in the store. */
  readonly parkedEvents?: number;
  readonly parkedBytes?: number;
  /** It is parked, and yet no more can be written to the store for now. */
  readonly holdsSlot?: boolean;
}
