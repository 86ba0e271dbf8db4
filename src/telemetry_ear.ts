import type { PartState } from "./observe/health.ts";
import { logOf } from "./observe/log.ts";
import type { Metrics } from "./observe/metrics.ts";
import type { ConnectionOptions } from "./postgres/connection/connection_options.ts";
import type { Notification } from "./postgres/connection/message_reader.ts";
import { NotificationListener } from "./postgres/notification_listener.ts";
import { TELEMETRY } from "./twin/telemetry_payload.ts";

/** Hears telemetry that is said by NOTIFY, for as long as somebody wants any. */
export class TelemetryEar implements AsyncDisposable {
  readonly #connection: ConnectionOptions;
  readonly #metrics: Metrics;
  readonly #onNotification: (notification: Notification) => void;
  #listener: NotificationListener | undefined;
  /** Those that are not wanted any more, and on their way out. */
  #ending: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    connection: ConnectionOptions,
    metrics: Metrics,
    onNotification: (notification: Notification) => void,
  ) {
    this.#connection = connection;
    this.#metrics = metrics;
    this.#onNotification = onNotification;
  }

  /** Listens from now on, or no more; once disposed of, never again. */
  listen(yes: boolean): void {
    if (yes && !this.#listener && !this.#isClosed) {
      const observers = { metrics: this.#metrics, log: logOf("telemetry") };
      this.#listener = new NotificationListener(this.#connection, TELEMETRY, observers);
      this.#listener.start(this.#onNotification);
    } else if (!yes && this.#listener) {
      this.#ending = Promise.all([this.#ending, this.#listener[Symbol.asyncDispose]()]).then(() => {});
      this.#listener = undefined;
    }
  }

  /** Whether it listens, or tries to. */
  get isListening(): boolean {
    return this.#listener !== undefined;
  }

  /** Of the listener, if there is one. */
  health(): readonly PartState[] {
    return this.#listener ? [this.#listener.health()] : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.listen(false);
    await this.#ending;
  }
}
