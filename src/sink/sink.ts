import type { CloudEvent } from "../event/cloud_event.ts";
import type { SinkError } from "./sink_error.ts";

export type { CloudEvent, EventFormat } from "../event/cloud_event.ts";

/** Events for one sink, in commit order per partition key; never empty. */
export type Batch = readonly CloudEvent[];

/** An event of a batch, by its index, that did not become durable. */
export interface FailedEvent {
  readonly index: number;
  readonly error: SinkError;
}

/** What a sink prefers of its batches; the configuration may say otherwise. */
export interface BatchPreference {
  /** Events in a batch, at most; default: the configuration's `maxBatchSize`. */
  readonly maxEvents?: number;
  /** UTF-8 bytes of the bodies in a batch, at most (one larger event goes alone); default: no bound. */
  readonly maxBytes?: number;
  /** Milliseconds that a batch which is not full waits for more; default 0: it goes out at once. */
  readonly lingerMs?: number;
  /** Batches in flight at once, which never share a partition key; default 1. */
  readonly concurrency?: number;
  /**
   * For a sink that keeps its own position in the stream. Batches are what comes next in the queue, one at a time, whatever
   * its keys: nothing overtakes an event that failed, and one that is rejected is a durable dead letter before the next
   * batch goes out. Default false.
   */
  readonly inOrder?: boolean;
}

/** One connection to the stream that events come from. */
export interface StreamStart {
  /** Of the database cluster. */
  readonly systemIdentifier: string;
  readonly slot: string;
  readonly timeline: number;
  /** Earlier timelines, and the LSNs where they ended: before those, their WAL is this one's, too. */
  readonly ancestors: readonly { readonly timeline: number; readonly end: bigint }[];
}

/** Where a sink with `inOrder` goes on. */
export interface Resumption {
  /** The same object for as long as the connection lasts. */
  readonly stream: StreamStart;
  /**
   * What comes next follows this event, which the sink or an earlier one in its place has taken; without it, what comes next
   * is whatever is not confirmed, from the beginning of a transaction.
   */
  readonly after?: CloudEvent;
  /**
   * A sink that kept no position was in its place, and took events of the transactions up to this commit LSN: what comes
   * next of these is new, unless it lies before an earlier transaction's position.
   */
  readonly takenOverAt?: bigint;
}

/**
 * A far end for events. The dispatcher calls it, and alone retries, writes dead letters and counts; a sink neither
 * gathers events nor retries on its own (a library's transport re-sends within the `deliver` signal are allowed).
 */
export interface Sink extends AsyncDisposable {
  readonly batch?: BatchPreference;

  /**
   * Reaches the far end, or throws a `SinkError`. Called before the first `deliver`, and again, with backoff, after a
   * throw of its own or of `deliver`, when it makes sure that what it has is still good; never at the same time as
   * `deliver`. `check` calls it too, so it sends no event.
   * @param resumption given to sinks with `inOrder`, which are connected once the stream has begun and anew whenever it
   * begins again; never by `check`
   */
  connect(signal: AbortSignal, resumption?: Resumption): Promise<void>;

  /**
   * Resolves once every event that it does not return as failed is durable at the far end. A throw fails the whole
   * batch and blames no event: the same ones come again, at first one at a time. After a failed event it sends no
   * later event of the same partition key: it returns those as `retryable` too; with `inOrder` it
   * sends nothing after a failed event. Called at most `concurrency` times at once. After an abort nothing may still go
   * out.
   * @param isApart of sinks with `inOrder`: whether the events come apart from the stream, from the outbox or as dead
   * letters that are tried again. They say nothing of a position, and never come in one batch with others.
   */
  deliver(batch: Batch, signal: AbortSignal, isApart?: boolean): Promise<readonly FailedEvent[]>;

  /**
   * Whether an event is durable at the far end already, as `connect` found and `deliver` left it; such an event is settled
   * and not delivered. Asked of each event once between two connects, in order. Sinks with `inOrder` only.
   * @param isApart as of `deliver`: then the position says nothing of it
   */
  has?(event: CloudEvent, isApart?: boolean): boolean;

  /** Lets go of the far end. Called once, with no `deliver` under way. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What the router gives a sink to work with. */
export interface SinkContext {
  readonly name: string;
  /** The configuration file's folder, against which relative paths resolve. */
  readonly baseDirectory: string;
  readonly log: SinkLog;
}

/** The part of the log that sinks use: surprises only, never an event's content. */
export interface SinkLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Makes a sink of its parsed options; no I/O. What `sinks/<kind>/mod.ts` exports as `createSink`. */
export type CreateSink<Options> = (options: Options, context: SinkContext) => Sink;
