import type { PartState } from "../../observe/health.ts";
import type { Log } from "../../observe/log.ts";
import { messageOf } from "../../observe/message_of.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { formatAddress, type HostAddress } from "../connection/connection_options.ts";
import { formatLsn } from "../lsn.ts";
import type { ReplicationProgress } from "./replication_progress.ts";
import type { ReplicationSession } from "./replication_session.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { SlotHealth } from "./slot_health.ts";
import type { SlotHold } from "./slot_hold.ts";

export type StreamState = "connecting" | "waiting for slot" | "streaming" | "interrupted" | "stopped";

/** What is asked of the connection that streams. */
interface Streaming {
  readonly session: Pick<ReplicationSession, "liveness" | "silence">;
  readonly hold: Pick<SlotHold, "isSure">;
}

/** What a stream reports of itself, by name: the state it is in, why and since when, and how its connection does. */
export class StreamHealth {
  readonly #settings: ReplicationSettings;
  /** How the slot does, as far as anybody has looked. */
  readonly slot: SlotHealth;
  #state: StreamState = "connecting";
  #detail: string | undefined;
  #since = Date.now();
  #host: string | undefined;

  constructor(settings: ReplicationSettings, observers: { readonly metrics: Metrics; readonly log: Log }) {
    this.#settings = settings;
    this.slot = new SlotHealth(observers);
  }

  /** The server that is connected to, or was last. */
  connectedTo(address: HostAddress): void {
    this.#host = formatAddress(address);
  }

  /** `reason` is for people: why it is so. */
  enter(state: StreamState, reason?: unknown): void {
    if (state !== this.#state) this.#since = Date.now();
    this.#state = state;
    this.#detail = reason === undefined ? undefined : messageOf(reason);
  }

  /**
   * Ready while the server was heard recently, or would be if the consumer took what it has sent; and while another router
   * has the slot, which this one stands by for. `streaming` is undefined while nothing is streamed.
   */
  report(progress: ReplicationProgress, streaming: Streaming | undefined): PartState {
    const isStandby = this.#state === "waiting for slot";
    const role = streaming ? "active" : isStandby ? "standby" : undefined;
    const facts = {
      ...(this.#host === undefined ? {} : { host: this.#host }),
      database: this.#settings.connection.database,
      slot: this.#settings.slot,
      ...(role === undefined ? {} : { role }),
      confirmed: formatLsn(progress.confirmed),
      lagBytes: progress.lagBytes,
      ...this.slot.facts,
    };
    const liveness = streaming?.session.liveness;
    if (streaming && (liveness === "silent" || liveness === "lost")) {
      const silence = Math.round(streaming.session.silence);
      const detail = `nothing heard for ${Math.round(silence / 1_000)} s`;
      return {
        name: "replication",
        ready: false,
        state: "silent",
        since: Date.now() - silence,
        detail,
        facts,
      };
    }
    const isInDoubt = this.#state === "streaming" && !streaming?.hold.isSure;
    const detail = isInDoubt
      ? "the server does not say whether the slot is still this router's"
      : liveness === "not reading"
      ? "waiting for sinks"
      : this.#detail;
    return {
      name: "replication",
      ready: isStandby || (streaming !== undefined && this.#state === "streaming" && !isInDoubt),
      state: this.#state,
      since: this.#since,
      ...(detail === undefined ? {} : { detail }),
      facts,
    };
  }
}
