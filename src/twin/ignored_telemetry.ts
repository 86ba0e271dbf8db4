import { isWorthTelling } from "../observe/is_worth_telling.ts";
import type { Log, LogFields } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { TelemetryFault } from "./telemetry_payload.ts";

const MESSAGES: Readonly<Record<TelemetryFault["fault"], string>> = {
  not_utf8: "Cannot read telemetry: it is not UTF-8",
  no_json: "Cannot read telemetry: it is no JSON",
  no_object: "Cannot read telemetry: it is no JSON object",
  missing_member: "Cannot make an event of telemetry: a member is missing or empty",
  wrong_member: "Cannot make an event of telemetry: a member is no string",
};

/** Counts telemetry that makes no event, and tells of what its sender has to mend; never of its values. */
export class IgnoredTelemetry {
  readonly #metrics: Metrics;
  readonly #log: Log;
  /** By fault and member. */
  readonly #times = new Map<string, number>();

  constructor(metrics: Metrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** `origin` says where to look for the sender. */
  add(fault: TelemetryFault, origin: LogFields): void {
    this.#metrics.ignoredTelemetry.inc({ reason: fault.fault });
    const member = "member" in fault ? fault.member : undefined;
    const key = `${fault.fault} ${member ?? ""}`;
    const times = (this.#times.get(key) ?? 0) + 1;
    this.#times.set(key, times);
    if (!isWorthTelling(times)) return;
    this.#log.warn(MESSAGES[fault.fault], { ...(member !== undefined && { member }), ...origin, times });
  }

  /** Of a graph that is not followed, which is nothing amiss. */
  addForeign(): void {
    this.#metrics.ignoredTelemetry.inc({ reason: "other_graph" });
  }
}
