import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Slot } from "./slot.ts";

const STATUSES = ["reserved", "extended", "unreserved", "lost"];

/** Whether the server still means to keep what the slot needs: for metrics and health, and in time for the log. */
export class SlotHealth {
  readonly #metrics: Metrics;
  readonly #log: Log;
  #walStatus: string | undefined;
  #safeWalSize: number | undefined;

  constructor({ metrics, log }: { readonly metrics: Metrics; readonly log: Log }) {
    this.#metrics = metrics;
    this.#log = log;
  }

  get facts(): Readonly<Record<string, string | number>> {
    return {
      ...(this.#walStatus !== undefined && { walStatus: this.#walStatus }),
      ...(this.#safeWalSize !== undefined && { safeWalSize: this.#safeWalSize }),
    };
  }

  note({ name, walStatus, safeWalSize }: Slot): void {
    for (const status of STATUSES) {
      this.#metrics.slotWalStatus.set({ status }, status === walStatus ? 1 : 0);
    }
    if (safeWalSize !== undefined) this.#metrics.slotSafeBytes.set(safeWalSize);
    if (walStatus === "unreserved" && this.#walStatus !== walStatus) {
      this.#log.warn(
        `Slot ${name} is about to be given up: it holds more WAL than max_slot_wal_keep_size. Raise that until the ` +
          "slot has caught up; a reload of PostgreSQL is enough.",
      );
    }
    this.#walStatus = walStatus;
    this.#safeWalSize = safeWalSize;
  }
}
