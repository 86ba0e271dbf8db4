import type { Batch, CloudEvent, FailedEvent } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { BrokerConnection } from "./connection.ts";
import type { Message } from "./message.ts";

export interface DeliverySettings {
  readonly connection: BrokerConnection;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Events under way at once. */
  readonly window: number;
  /**
   * Whether a key's next event waits for the answer to the one before. It has to where a broker can refuse a single
   * event (MQTT 5, QoS 1 and 2).
   */
  readonly keyByKey: boolean;
  /** @throws {SinkError} */
  readonly encode: (event: CloudEvent) => Message;
  /** Whether the broker turned out to have taken it before; asked once. */
  readonly wasTaken: (event: CloudEvent) => boolean;
  /**
   * Ids of events that were under way when a connection was lost. One of them may have been why, so each goes alone:
   * then only that one can fail again.
   */
  readonly suspects: Set<string>;
}

/** Bytes under way at once, unless a single event is larger: what mqtt.js and the socket hold is bounded by it. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Publishes one batch: as much at once as may be, and each key's events in order. */
export class BatchDelivery {
  readonly #batch: Batch;
  readonly #settings: DeliverySettings;
  readonly #failed: FailedEvent[] = [];
  readonly #done = Promise.withResolvers<readonly FailedEvent[]>();
  /** Why no more is sent at all, or of a key. */
  #stop: SinkError | undefined;
  readonly #stopOfKey = new Map<string, SinkError>();
  /** The first event that was not looked at yet. */
  #next = 0;
  /** Of each key that has its turn, the later events that were looked at. */
  readonly #waiting = new Map<string, number[]>();
  /** Events whose turn it is; before those not looked at. */
  readonly #ready: number[] = [];
  #underWay = 0;
  #bytes = 0;
  #aloneUnderWay = false;
  #pumping = false;

  constructor(batch: Batch, settings: DeliverySettings) {
    this.#batch = batch;
    this.#settings = settings;
  }

  /** Resolves once every event is settled; ends early only with the connection. Called once. */
  run(): Promise<readonly FailedEvent[]> {
    this.#pump();
    return this.#done.promise;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#hasRoom()) {
      const index = this.#take();
      if (index === undefined) break;
      const event = this.#batch[index];
      if (!event) continue;
      const isSuspect = this.#settings.suspects.has(event.id);
      if (isSuspect && this.#underWay > 0) {
        this.#ready.unshift(index);
        break;
      }
      this.#send(index, event, isSuspect);
    }
    this.#pumping = false;
    if (this.#underWay > 0) this.#settings.connection.prove();
    else if (this.#ready.length === 0 && this.#next >= this.#batch.length) this.#done.resolve(this.#failed);
  }

  #hasRoom(): boolean {
    if (this.#underWay === 0) return true;
    return !this.#aloneUnderWay && this.#underWay < this.#settings.window && this.#bytes < WINDOW_BYTES;
  }

  /** The next event whose turn it is; from then on its key is taken until `#release`. */
  #take(): number | undefined {
    const ready = this.#ready.shift();
    if (ready !== undefined) return ready;
    while (this.#next < this.#batch.length) {
      const index = this.#next++;
      const key = this.#batch[index]?.partitionkey;
      if (!this.#settings.keyByKey || key === undefined) return index;
      const later = this.#waiting.get(key);
      if (!later) {
        this.#waiting.set(key, []);
        return index;
      }
      later.push(index);
    }
    return undefined;
  }

  #release({ partitionkey }: CloudEvent): void {
    const next = this.#waiting.get(partitionkey)?.shift();
    if (next === undefined) this.#waiting.delete(partitionkey);
    else this.#ready.push(next);
  }

  #send(index: number, event: CloudEvent, isSuspect: boolean): void {
    const { connection, qos, retain, wasTaken, suspects } = this.#settings;
    const message = wasTaken(event) ? undefined : this.#messageOf(index, event);
    if (!message) {
      this.#release(event);
      return;
    }
    this.#underWay++;
    this.#bytes += message.size;
    this.#aloneUnderWay = isSuspect;
    const settled = (error: SinkError | undefined) => {
      this.#underWay--;
      this.#bytes -= message.size;
      this.#aloneUnderWay = false;
      if (error && connection.lost) suspects.add(event.id);
      else suspects.delete(event.id);
      if (error) this.#fail(index, event, error);
      this.#release(event);
      this.#pump();
    };
    connection.publish({ message, eventId: event.id, qos, retain, settled });
  }

  /** Undefined when it is not to be sent, which is noted. */
  #messageOf(index: number, event: CloudEvent): Message | undefined {
    const before = this.#stop ?? this.#stopOfKey.get(event.partitionkey);
    if (before) {
      this.#failed.push({ index, error: notSent(before) });
      return undefined;
    }
    try {
      return this.#settings.encode(event);
    } catch (error) {
      if (!(error instanceof SinkError)) throw error;
      this.#fail(index, event, error);
      return undefined;
    }
  }

  #fail(index: number, event: CloudEvent, error: SinkError): void {
    this.#failed.push({ index, error });
    if (!this.#stopOfKey.has(event.partitionkey)) this.#stopOfKey.set(event.partitionkey, error);
    if (error.kind === "fatal" || this.#settings.connection.lost) this.#stop ??= error;
  }
}

/** The error of an event that was held back because of the one of another. */
function notSent({ message }: SinkError): SinkError {
  return new SinkError("retryable", `${message} (an earlier event; this one was not sent)`);
}
