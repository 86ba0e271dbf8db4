import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Clock } from "../sink/clock.ts";
import type { OutboxLedger } from "./outbox_ledger.ts";
import { backoff, STORE_RETRY } from "./retry_policy.ts";
import type { Outbox } from "./store/outbox.ts";

export interface OutboxSurveySurroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** Looks what is in a sink's part of the outbox, until it is known. */
export class OutboxSurvey {
  readonly #sink: string;
  readonly #of: OutboxSurveySurroundings;
  #isClosed = false;
  #endWait = () => {};

  constructor(sink: string, surroundings: OutboxSurveySurroundings) {
    this.#sink = sink;
    this.#of = surroundings;
  }

  /** Resolves once the ledger has it, or after `close`. */
  async take(outbox: Outbox, ledger: OutboxLedger): Promise<void> {
    for (let failures = 1; !this.#isClosed; failures++) {
      try {
        ledger.found(await outbox.totals(this.#sink, ledger.lastRead));
        return;
      } catch (error) {
        if (failures === 1) {
          this.#of.log.warn("Cannot look what is parked: the sink gets nothing before", {
            sink: this.#sink,
            error: messageOf(error),
          });
        }
        await this.#wait(backoff(STORE_RETRY, failures, this.#of.random));
      }
    }
  }

  /** Looks no more. */
  close(): void {
    this.#isClosed = true;
    this.#endWait();
  }

  #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#of.clock.after(ms, resolve);
    this.#endWait = () => {
      cancel();
      resolve();
    };
    return promise;
  }
}
