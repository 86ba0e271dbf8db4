import type { DeadLetter, DeadLetterStore } from "../../src/deliver/dead_letter.ts";
import { type Beginning, Dispatcher } from "../../src/deliver/dispatcher.ts";
import type { DispatcherOptions } from "../../src/deliver/dispatcher_options.ts";
import type { SinkSettings } from "../../src/deliver/sink_settings.ts";
import type { Log, LogFields } from "../../src/observe/log.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import type { Lsn } from "../../src/postgres/lsn.ts";
import { FakeClock, turn } from "./fake_clock.ts";
import { routerEvent } from "./router_events.ts";
import { ScriptedSink } from "./scripted_sink.ts";

/** A dispatcher with a clock of its own, whose log, metrics and dead letters a test can look at. */
export class Delivery implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly metrics = new Metrics();
  readonly log = new LogRecords();
  readonly deadLetters = new DeadLetterRecords();
  readonly sinks: readonly ScriptedSink[];
  readonly dispatcher: Dispatcher;
  /** What may be confirmed, as it was announced. */
  readonly confirmed: bigint[] = [];
  #events = 0;

  /** Sinks that are no `ScriptedSink`, or need other settings than the defaults, come with these. */
  constructor(
    sinks: readonly (ScriptedSink | Partial<SinkSettings> & { readonly sink: ScriptedSink })[],
    options: Partial<DispatcherOptions> = {},
  ) {
    const settings = sinks.map((sink, index) => ({
      name: `Sink${index}`,
      kind: "scripted",
      maxBatchSize: 50,
      retry: { initial: 200, max: 30_000, maxAttempts: 10 },
      queue: { maxEvents: 10_000, maxBytes: 64 * 1024 * 1024 },
      ...(sink instanceof ScriptedSink ? { sink } : sink),
    }));
    this.sinks = settings.map(({ sink }) => sink);
    this.dispatcher = new Dispatcher(settings, {
      deadLetters: this.deadLetters,
      metrics: this.metrics,
      log: this.log,
      clock: this.clock,
      random: () => 0.999_999, // the longest waits
      onConfirmable: (lsn) => this.confirmed.push(lsn),
      ...options,
    });
  }

  /** Starts, and waits until what needs no time has happened. */
  async start(): Promise<void> {
    this.dispatcher.start();
    await turn();
  }

  /** Queues one event for each key, in this order, for all sinks; ids are `<key>-<n>`, counting from 1. */
  enqueue(...keys: string[]): void {
    for (const key of keys) {
      const event = routerEvent(key, ++this.#events, { committedAt: this.clock.now() });
      this.dispatcher.enqueue(event, this.sinks.map((_, sink) => ({ sink, route: `to-${sink}` })));
    }
  }

  /** As `enqueue`, and lets everything happen that needs no time. */
  async send(...keys: string[]): Promise<void> {
    this.enqueue(...keys);
    await turn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const disposed = this.dispatcher[Symbol.asyncDispose]();
    await this.clock.advance(60_000);
    await disposed;
  }
}

/** The stream of a database that has the same history as before. */
export const BEGINNING: Beginning = {
  systemIdentifier: "7",
  timeline: 1,
  ancestors: [],
  walEnd: 2n ** 60n,
  sameTimelineAsBefore: true,
  wasElsewhere: false,
  confirmed: 0n,
};

/** A log that keeps what it is told. */
export class LogRecords implements Log {
  readonly records: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];

  debug(): void {}

  info(message: string, fields: LogFields = {}): void {
    this.records.push({ level: "info", message, fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.records.push({ level: "warn", message, fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.records.push({ level: "error", message, fields });
  }

  get levels(): string[] {
    return this.records.map((record) => record.level);
  }
}

/** Dead letters in memory; fails while `broken` says so. */
export class DeadLetterRecords implements DeadLetterStore {
  readonly letters: DeadLetter[] = [];
  broken: Error | undefined;
  /** Each write waits for this. */
  gate: Promise<void> = Promise.resolve();
  /** Where the next letters are in the WAL. */
  lsn: Lsn | undefined;

  async write(letters: readonly DeadLetter[]): Promise<Lsn | undefined> {
    await this.gate;
    if (this.broken) throw this.broken;
    this.letters.push(...letters);
    return this.lsn;
  }

  get ids(): string[] {
    return this.letters.map((letter) => letter.event.id);
  }
}
