import { isWorthTelling } from "../observe/is_worth_telling.ts";
import type { Log, LogFields } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { TelemetryFault } from "./telemetry_payload.ts";

const MESSAGES: Readonly<Record<TelemetryFault["fault"], string>> = {
  too_large: "Cannot read telemetry: it is larger than 256 MiB, or has more than 4,194,304 keys and values",
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
    const member = "member" in fault ? fault.member : undefined;
    const fields = { ...(member !== undefined && { member }), ...origin };
    this.#count(fault.fault, `${fault.fault} ${member ?? ""}`, MESSAGES[fault.fault], fields);
  }

  /** Heard while the slot was not held. */
  addLeft(): void {
    const message =
      "Telemetry was notified while this router did not hold its slot, and is left to the one that does";
    this.#count("slot_not_held", "slot_not_held", message, {});
  }

  /** Of a graph that is not followed, which is nothing amiss. */
  addForeign(): void {
    this.#metrics.ignoredTelemetry.inc({ reason: "other_graph" });
  }

  /** Those of one key are told of together. */
  #count(reason: string, key: string, message: string, fields: LogFields): void {
    this.#metrics.ignoredTelemetry.inc({ reason });
    const times = (this.#times.get(key) ?? 0) + 1;
    this.#times.set(key, times);
    if (isWorthTelling(times)) this.#log.warn(message, { ...fields, times });
  }
}
