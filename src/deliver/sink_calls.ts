import type { Resumption, Sink } from "../sink/sink.ts";
import type { SinkError } from "../sink/sink_error.ts";
import type { Flight } from "./assessment.ts";
import { asSinkError, attempt, type Outcome } from "./attempt.ts";

/** How a batch came back. */
export interface Answer {
  readonly outcome: Outcome;
  /** The sink had been told to end: what it did not take is not held against any event. */
  readonly wasToldToEnd: boolean;
}

/**
 * What one sink after the other has under way. Each is told to end, and given up if it does not, before the next is called;
 * whatever a call that was given up still answers is nobody's any more.
 */
export class SinkCalls {
  readonly #ending: AbortSignal;
  #sink: Sink;
  /** Its abort ends what this sink has under way; so does `#ending`. */
  #calls = new AbortController();
  #signal: AbortSignal;
  #isConnecting = false;
  /** What the sink has not answered, oldest first. */
  readonly #flights = new Set<Flight>();
  #whenQuiet: (() => void)[] = [];

  /** @param ending its abort ends every call */
  constructor(sink: Sink, ending: AbortSignal) {
    this.#sink = sink;
    this.#ending = ending;
    this.#signal = AbortSignal.any([ending, this.#calls.signal]);
  }

  get isConnecting(): boolean {
    return this.#isConnecting;
  }

  /** Batches that the sink has. */
  get flights(): number {
    return this.#flights.size;
  }

  /** The batch that it has had for the longest time. */
  get oldest(): Flight | undefined {
    const [oldest] = this.#flights;
    return oldest;
  }

  /** The sink has answered everything. */
  get isQuiet(): boolean {
    return this.#flights.size === 0 && !this.#isConnecting;
  }

  /** From now on another sink is called. */
  serve(sink: Sink): void {
    this.#sink = sink;
    this.#calls = new AbortController();
    this.#signal = AbortSignal.any([this.#ending, this.#calls.signal]);
  }

  /** Connects the sink, and resolves to why it could not, if so; not to be heeded if that `wasGivenUp`. */
  async connect(
    resumption: Resumption | undefined,
  ): Promise<{ readonly failure: SinkError | undefined; readonly wasGivenUp: boolean }> {
    this.#isConnecting = true;
    const sink = this.#sink;
    let failure: SinkError | undefined;
    try {
      await sink.connect(this.#signal, resumption);
    } catch (error) {
      failure = asSinkError(error, "connect");
    }
    const wasGivenUp = sink !== this.#sink;
    if (!wasGivenUp) this.#isConnecting = false;
    return { failure, wasGivenUp };
  }

  /** Sends a batch; undefined if it was given up. */
  async deliver(flight: Flight): Promise<Answer | undefined> {
    const { batch } = flight;
    this.#flights.add(flight);
    const events = batch.map((event) => event.unsettled.event.event);
    const calls = this.#calls.signal;
    const outcome = await attempt(this.#sink, events, this.#signal, batch[0]?.isApart ?? false);
    return this.#flights.delete(flight) ? { outcome, wasToldToEnd: calls.aborted } : undefined;
  }

  /** Tells the sink to end what it has under way. */
  abort(reason: unknown): void {
    this.#calls.abort(reason);
  }

  /** Expects no answer any more, of any of these. */
  giveUp(): readonly Flight[] {
    this.#isConnecting = false;
    const flights = [...this.#flights];
    this.#flights.clear();
    return flights;
  }

  /** Resolves once `tellIfQuiet` finds that the sink has answered everything. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenQuiet.push(resolve);
      this.tellIfQuiet();
    });
  }

  /** To be called after each answer has been dealt with. */
  tellIfQuiet(): void {
    if (!this.isQuiet) return;
    for (const resolve of this.#whenQuiet) resolve();
    this.#whenQuiet = [];
  }
}
