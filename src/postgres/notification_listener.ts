import { setTimeout as delay } from "node:timers/promises";
import type { PartState } from "../observe/health.ts";
import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Connection } from "./connection/connection.ts";
import { type ConnectionOptions, formatAddress } from "./connection/connection_options.ts";
import type { Notification } from "./connection/message_reader.ts";
import { openConnection } from "./connection/open_connection.ts";
import { quoteName } from "./connection/quote.ts";
import { Outage } from "./replication/outage.ts";

/** In milliseconds: how often the server is asked whether it is still there, and how long it may take to say so. */
const TIMINGS = { heartbeat: 15_000, patience: 10_000 };

export interface ListenerObservers {
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * Hears what is said by NOTIFY on one channel, on a connection of its own to the writable server, the only one that has
 * notifications; begins again whenever it is lost, for ever. What was said meanwhile is lost: the log says for how long
 * nobody listened.
 */
export class NotificationListener implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  readonly #channel: string;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #outage: Outage;
  readonly #timings: typeof TIMINGS;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #state: "connecting" | "listening" | "interrupted" = "connecting";
  #since = Date.now();
  #detail: string | undefined;
  /** When it was last known that the server is heard, by `performance.now()`. */
  #heardAt = 0;
  /** The gap that has not been told, from here on. */
  #deafSince: number | undefined;

  /** `timings` are for tests. */
  constructor(
    options: ConnectionOptions,
    channel: string,
    { metrics, log }: ListenerObservers,
    timings = TIMINGS,
  ) {
    const { targetSessionAttrs } = options;
    this.#options = {
      ...options,
      targetSessionAttrs: targetSessionAttrs === "any" ? "primary" : targetSessionAttrs,
    };
    this.#channel = channel;
    this.#timings = timings;
    this.#metrics = metrics;
    this.#log = log;
    this.#outage = new Outage(`Listening to ${channel}`, log);
  }

  /** Listens from now on, in the background. `onNotification` is called in the order in which it was said. */
  start(onNotification: (notification: Notification) => void): void {
    this.#running ??= this.#run(onNotification);
  }

  /** Ready whatever the state is: what can be lost without anybody's knowing holds up nothing. */
  health(): PartState {
    return {
      name: `listen.${this.#channel}`,
      ready: true,
      state: this.#state,
      since: this.#since,
      ...(this.#detail !== undefined && { detail: this.#detail }),
    };
  }

  /** Nothing is heard any more once this is called. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#metrics.listening.set(0);
    await this.#running;
  }

  async #run(onNotification: (notification: Notification) => void): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await using connection = await openConnection(this.#options, {}, signal);
        connection.onNotification = (notification) => {
          if (!signal.aborted && notification.channel === this.#channel) onNotification(notification);
        };
        await this.#ask(connection, `LISTEN ${quoteName(this.#channel)}`);
        this.#listens();
        for (;;) {
          await this.#untilHeartbeat(connection);
          await this.#ask(connection, "SELECT 1");
        }
      } catch (error) {
        if (signal.aborted) return;
        const wait = this.#isLost(error);
        await delay(wait, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Throws when the connection is lost before. */
  async #untilHeartbeat(connection: Connection): Promise<void> {
    const heartbeat = AbortSignal.timeout(this.#timings.heartbeat);
    try {
      await connection.untilLost(AbortSignal.any([this.#closing.signal, heartbeat]));
    } catch (error) {
      if (error === heartbeat.reason && !this.#closing.signal.aborted) return;
      this.#heardAt = performance.now(); // it is only now that it is heard no more
      throw error;
    }
  }

  async #ask(connection: Connection, sql: string): Promise<void> {
    const { patience } = this.#timings;
    const timeout = AbortSignal.timeout(patience);
    try {
      await connection.query(sql, AbortSignal.any([this.#closing.signal, timeout]));
    } catch (error) {
      if (error !== timeout.reason) throw error;
      const server = formatAddress(connection.address);
      throw new Error(`Cannot hear from ${server}: nothing for ${patience / 1000} s`, { cause: error });
    }
    this.#heardAt = performance.now();
  }

  #listens(): void {
    this.#enter("listening");
    this.#metrics.listening.set(1);
    this.#outage.isOver();
    if (this.#deafSince === undefined) return;
    const gapSeconds = Math.round((performance.now() - this.#deafSince) / 100) / 10;
    this.#deafSince = undefined;
    this.#log.warn(`What was notified on ${this.#channel} while nobody listened is lost`, { gapSeconds });
  }

  /** Milliseconds to wait before it is tried again. */
  #isLost(error: unknown): number {
    if (this.#state === "listening") this.#deafSince = this.#heardAt;
    this.#deafSince ??= performance.now();
    this.#enter("interrupted", error);
    this.#metrics.listening.set(0);
    return this.#outage.failed(error);
  }

  #enter(state: "listening" | "interrupted", error?: unknown): void {
    if (state !== this.#state) this.#since = Date.now();
    this.#state = state;
    this.#detail = error === undefined ? undefined : messageOf(error);
  }
}
