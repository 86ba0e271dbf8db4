import type { Log } from "../observe/log.ts";
import type { Clock } from "../sink/clock.ts";
import type { SinkError } from "../sink/sink_error.ts";

/**
 * `connecting`: not reached yet. `connected`: takes events. `stalled`: has them, and does not answer. `retrying`: in an
 * outage. `down`: takes nothing until it is reloaded.
 */
export type SinkCondition = "connecting" | "connected" | "stalled" | "retrying" | "down";

/** What is known of a sink's far end; tells the log once when an outage begins and once when it ends. */
export class SinkHealth {
  readonly #sink: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #condition: SinkCondition = "connecting";
  #since: number;
  #began: number;
  #lastError: string | undefined;
  #faultTold = false;

  constructor(sink: string, clock: Clock, log: Log) {
    this.#sink = sink;
    this.#clock = clock;
    this.#log = log;
    this.#since = clock.now();
    this.#began = clock.steady();
  }

  get condition(): SinkCondition {
    return this.#condition;
  }

  /** When the condition began, in milliseconds since 1970. */
  get since(): number {
    return this.#since;
  }

  /** The same by the steady clock. */
  get began(): number {
    return this.#began;
  }

  /** Why it is not connected. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  connected(): void {
    if (this.#condition === "retrying") {
      const seconds = Math.round((this.#clock.steady() - this.#began) / 100) / 10;
      this.#log.info("Sink is back", { sink: this.#sink, outageSeconds: seconds });
    }
    this.#lastError = undefined;
    this.#become("connected");
  }

  failed(error: SinkError): void {
    if (this.#condition !== "retrying") {
      this.#log.warn("Sink takes no events: trying again until it does", {
        sink: this.#sink,
        error: error.message,
      });
    }
    this.#lastError = error.message;
    this.#become("retrying");
  }

  down(error: SinkError): void {
    if (this.#condition === "down") return;
    this.#log.error(
      "Sink is down: remove the cause, then reload the configuration or restart",
      { sink: this.#sink, error: error.message },
    );
    this.#lastError = error.message;
    this.#become("down");
  }

  /** Another sink takes this one's place, or the same gets another chance. */
  beginAgain(): void {
    this.#lastError = undefined;
    this.#faultTold = false;
    this.#become("connecting");
  }

  /** The sink breaks its contract. */
  faulty(fault: string): void {
    if (!this.#faultTold) this.#log.error(fault, { sink: this.#sink });
    this.#faultTold = true;
  }

  #become(condition: SinkCondition): void {
    if (this.#condition === condition) return;
    this.#condition = condition;
    this.#since = this.#clock.now();
    this.#began = this.#clock.steady();
  }
}
