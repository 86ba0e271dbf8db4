import type { Log } from "../../observe/log.ts";
import { sqlState } from "../connection/sql_state.ts";
import type { Liveness } from "./liveness.ts";
import type { ReplicationSession } from "./replication_session.ts";
import type { SlotState } from "./slot.ts";
import { type SlotHold, SlotTakenError } from "./slot_hold.ts";

/** What a server says that starts or stops. */
const CANNOT_CONNECT_NOW = "57P03";

/** So long after the server was last heard, in milliseconds, a reader that waits for others is told of the loss. */
const LONGEST_DOUBT = 30_000;

/** Whom the watch tells. */
export interface SlotWatchObservers {
  readonly log: Log;
  /** The server has said how far it is, and how the slot stands. */
  onState(state: SlotState): void;
  /** A look is over, whatever came of it: it may be known now whose the slot is, or no more. */
  onLook(): void;
  /** The connection is of no use any more, though its reader has not noticed, and about to be closed. */
  onUseless(reason: unknown): void;
  /** The hold is lost. */
  onLost(): void;
}

/**
 * Looks, for one connection that streams, at how the slot stands and whose it is: keepalives tell only how far the server
 * has read its WAL, not how far it has written it, and nothing at all while nobody reads. Lets go of a connection that
 * has it no more.
 */
export class SlotWatch {
  readonly #session: Pick<ReplicationSession, "silence" | "abandon">;
  readonly #hold: SlotHold;
  /** As people know it. */
  readonly #server: string;
  readonly #observers: SlotWatchObservers;
  #isOver = false;

  constructor(
    session: Pick<ReplicationSession, "silence" | "abandon">,
    hold: SlotHold,
    server: string,
    observers: SlotWatchObservers,
  ) {
    this.#session = session;
    this.#hold = hold;
    this.#server = server;
    this.#observers = observers;
  }

  /** To be called with every status update; does nothing once the hold is lost. */
  tick(liveness: Liveness): void {
    if (this.#hold.lost.aborted) return;
    void this.#look();
    // A reader who is held up by a sink, which is held up by this doubt, would never hear that the server is gone.
    if (liveness !== "not reading" || this.#hold.isSure || this.#session.silence <= LONGEST_DOUBT) return;
    const reason = new Error(`Cannot hear from ${this.#server}: whose the slot is, it does not say`);
    void this.#letGo(reason);
  }

  /** To be called when the connection has been given up: what is answered from now on tells nothing. */
  end(): void {
    this.#isOver = true;
  }

  async #look(): Promise<void> {
    const { log, onState, onLook } = this.#observers;
    try {
      const state = await this.#hold.ask();
      if (state && !this.#isOver) onState(state);
    } catch (error) {
      if (this.#isOver) return;
      log.debug("Cannot look at the slot", { error });
      // A server that stops ends all other sessions, and then waits until what it has sent is confirmed. That may be
      // never, if a sink takes nothing.
      const isUseless = error instanceof SlotTakenError || sqlState(error) === CANNOT_CONNECT_NOW;
      if (isUseless) await this.#letGo(error);
    } finally {
      onLook();
    }
  }

  /** Closes the connection; its reader finds it lost when he reads on. */
  async #letGo(reason: unknown): Promise<void> {
    if (this.#hold.lost.aborted) return;
    this.#observers.onUseless(reason);
    this.#hold.lose(reason);
    this.#observers.onLost();
    await this.#session.abandon();
  }
}
