import { setImmediate } from "node:timers";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import type { Batch, BatchPreference, FailedEvent, Sink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";

/** What a scripted sink does when it is called. */
export type Delivery = (batch: Batch, signal: AbortSignal) => Promise<readonly FailedEvent[]>;
export type Connection = (signal: AbortSignal) => Promise<void>;

/**
 * A sink that does what a test tells it: each call takes the next step of its script, or `otherwise` once there is none.
 * It records all that happens, and each breach of the sink contract by its caller.
 */
export class ScriptedSink implements Sink {
  readonly batch: BatchPreference;
  /** Steps of `deliver` and of `connect` still to come. */
  readonly deliveries: Delivery[] = [];
  readonly connections: Connection[] = [];
  /** What `deliver` and `connect` do without a step. */
  otherwise: Delivery = take;
  connection: Connection = () => Promise.resolve();

  /** Each batch that was handed over, as ids. */
  readonly batches: string[][] = [];
  /** Each event that became durable, as often as it did. */
  readonly taken: CloudEvent[] = [];
  connects = 0;
  inFlight = 0;
  mostInFlight = 0;
  disposed = 0;
  /** What the caller must not do, and did. */
  readonly breaches: string[] = [];

  readonly #keysInFlight = new Map<string, number>();
  #connecting = false;
  #connected = false;

  constructor(batch: BatchPreference = {}) {
    this.batch = batch;
  }

  /** The ids of the events that became durable, in order. */
  get takenIds(): string[] {
    return this.taken.map((event) => event.id);
  }

  /**
   * Adds a delivery that waits for `release` to the script.
   * @param then what happens afterwards
   */
  hold(then?: Delivery): Hold {
    const hold = new Hold();
    this.deliveries.push(hold.delivery(then));
    return hold;
  }

  async connect(signal: AbortSignal): Promise<void> {
    this.connects++;
    if (this.inFlight > 0) this.breaches.push("connect during deliver");
    if (this.#connecting) this.breaches.push("connect during connect");
    if (signal.aborted) this.breaches.push("connect after abort");
    if (this.disposed > 0) this.breaches.push("connect after dispose");
    this.#connecting = true;
    this.#connected = false;
    try {
      await (this.connections.shift() ?? this.connection)(signal);
      this.#connected = true;
    } finally {
      this.#connecting = false;
    }
  }

  deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    const step = this.deliveries.shift() ?? this.otherwise;
    const keys = new Set(batch.map((event) => event.partitionkey));
    this.batches.push(batch.map((event) => event.id));
    this.#check(batch, keys, signal);
    this.inFlight++;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    for (const key of keys) this.#keysInFlight.set(key, (this.#keysInFlight.get(key) ?? 0) + 1);
    const ended = () => {
      this.inFlight--;
      for (const key of keys) this.#keysInFlight.set(key, (this.#keysInFlight.get(key) ?? 0) - 1);
    };
    let answer;
    try {
      answer = step(batch, signal);
    } catch (error) {
      ended();
      this.#lose();
      throw error; // as a sink does that is no async function
    }
    return answer.then((failures) => {
      const failed = new Set(failures.map((failure) => failure.index));
      this.taken.push(...batch.filter((_, index) => !failed.has(index)));
      ended();
      return failures;
    }, (error) => {
      ended();
      this.#lose();
      throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
    if (this.inFlight > 0) this.breaches.push("dispose during deliver");
    if (this.disposed > 1) this.breaches.push("disposed twice");
  }

  /** Wants a new connection, from the time on at which its caller must have noticed the throw. */
  #lose(): void {
    const { connects } = this;
    setImmediate(() => {
      if (this.connects === connects) this.#connected = false;
    });
  }

  #check(batch: Batch, keys: ReadonlySet<string>, signal: AbortSignal): void {
    if (batch.length === 0) this.breaches.push("empty batch");
    if (!this.#connected) this.breaches.push("deliver while not connected");
    if (signal.aborted) this.breaches.push("deliver after abort");
    if (this.disposed > 0) this.breaches.push("deliver after dispose");
    if (this.inFlight >= (this.batch.concurrency ?? 1)) this.breaches.push("too many batches at once");
    if (batch.length > (this.batch.maxEvents ?? Infinity)) this.breaches.push("too many events in a batch");
    for (const key of keys) {
      if ((this.#keysInFlight.get(key) ?? 0) > 0) this.breaches.push(`key ${key} in two batches at once`);
    }
  }
}

/** All events become durable. */
export const take: Delivery = () => Promise.resolve([]);

/** The far end cannot be reached. */
export function throwing(error: unknown): Delivery {
  return () => Promise.reject(error);
}

/** As `throwing`, by a sink that is no async function. */
export function throwingAtOnce(error: unknown): Delivery {
  return () => {
    throw error;
  };
}

/** Events with these ids fail, and with them, untried, the later ones of their keys; the others become durable. */
export function failing(errors: Readonly<Record<string, SinkError>>): Delivery {
  return (batch) => {
    const failures: FailedEvent[] = [];
    const keys = new Set<string>();
    for (const [index, event] of batch.entries()) {
      const untried = keys.has(event.partitionkey)
        ? retryable("an earlier event of its key failed")
        : undefined;
      const error = untried ?? errors[event.id];
      if (error === undefined) continue;
      failures.push({ index, error });
      keys.add(event.partitionkey);
    }
    return Promise.resolve(failures);
  };
}

/** Answers as if it were broken. */
export function answering(failures: readonly FailedEvent[]): Delivery {
  return () => Promise.resolve(failures);
}

/** Waits for `release`, or rejects when its signal aborts. */
export class Hold {
  readonly #released = Promise.withResolvers<void>();

  /** @param then what happens afterwards */
  delivery(then: Delivery = take): Delivery {
    return async (batch, signal) => {
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal.reason);
      signal.addEventListener("abort", onAbort);
      try {
        await Promise.race([this.#released.promise, aborted.promise]);
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
      return await then(batch, signal);
    };
  }

  release(): void {
    this.#released.resolve();
  }
}

/** Never answers, not even to an abort. */
export const hang: Delivery = () => new Promise(() => {});

export function retryable(message = "503", retryAfterMs?: number): SinkError {
  return new SinkError("retryable", message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

export function rejected(message = "400"): SinkError {
  return new SinkError("rejected", message);
}

export function fatal(message = "401"): SinkError {
  return new SinkError("fatal", message);
}
