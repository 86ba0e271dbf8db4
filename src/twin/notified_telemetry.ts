import { type Log, logOf } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import { IgnoredTelemetry } from "./ignored_telemetry.ts";
import { instantTransaction } from "./instant_transaction.ts";
import { readTelemetry } from "./telemetry_payload.ts";
import type { Telemetry } from "./twin_change.ts";

export interface NotifiedTelemetryOptions {
  readonly metrics: Metrics;
  /** The graphs that are wanted; without it, every one. */
  readonly graphs?: readonly string[];
  readonly log?: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Reads telemetry that is said by NOTIFY, as AgeDigitalTwins does: it has no place in the stream. */
export class NotifiedTelemetry {
  readonly #metrics: Metrics;
  readonly #graphs: ReadonlySet<string> | undefined;
  readonly #ignored: IgnoredTelemetry;
  readonly #now: () => number;

  constructor({ metrics, graphs, log = logOf("twin"), now = Date.now }: NotifiedTelemetryOptions) {
    this.#metrics = metrics;
    this.#graphs = graphs && new Set(graphs);
    this.#ignored = new IgnoredTelemetry(metrics, log);
    this.#now = now;
  }

  /** Undefined for what makes no event, which is counted and told of. */
  read(
    { processId, payload }: { readonly processId: number; readonly payload: Uint8Array },
  ): Telemetry | undefined {
    const telemetry = readTelemetry(payload);
    if ("fault" in telemetry) return void this.#ignored.add(telemetry, { pid: processId });
    if (this.#graphs && !this.#graphs.has(telemetry.graph)) return void this.#ignored.addForeign();
    this.#metrics.telemetry.inc({ way: "notify" });
    const transaction = instantTransaction(this.#now());
    return { kind: "telemetry", ...telemetry, transaction, position: undefined, part: 0 };
  }

  /** To be called for what is not read because the router does not hold its slot: it is counted and told of. */
  leave(): void {
    this.#ignored.addLeft();
  }
}
