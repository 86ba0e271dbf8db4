import type { Batch, FailedEvent } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { nextRequest, roomForRecord } from "./next_request.ts";
import { type ContentMode, type KafkaRecord, recordOf } from "./record.ts";
import type { Refusal } from "./session.ts";
import { isOfATopic } from "./sink_error_of.ts";
import type { TopicTemplate } from "./topic_template.ts";

export interface DeliveryOptions {
  readonly topics: TopicTemplate;
  readonly contentMode: ContentMode;
  readonly maxRequestBytes: number;
  /** As `Session.send`. */
  readonly send: (records: readonly KafkaRecord[]) => Promise<readonly Refusal[]>;
}

/** One batch on its way: in as few requests as its size and the order of its keys allow, one after another. */
export class Delivery {
  readonly #batch: Batch;
  readonly #options: DeliveryOptions;
  readonly #failed: FailedEvent[] = [];
  /** What stands before all further events, or those of a key. */
  #stop: SinkError | undefined;
  readonly #stopOfKey = new Map<string, SinkError>();
  #written = 0;

  constructor(batch: Batch, options: DeliveryOptions) {
    this.#batch = batch;
    this.#options = options;
  }

  /** The events that failed; throws when nothing is known to have been written. */
  async run(): Promise<readonly FailedEvent[]> {
    await this.#sendAll(this.#records());
    if (this.#stop && this.#written === 0 && this.#failed.every(({ error }) => error.kind === "retryable")) {
      throw this.#stop;
    }
    return this.#failed;
  }

  #records(): KafkaRecord[] {
    const { topics, contentMode, maxRequestBytes } = this.#options;
    const room = roomForRecord(maxRequestBytes);
    const records = this.#batch.map((event, index) =>
      recordOf(event, index, topics.topicOf(event), contentMode)
    );
    return records.filter((record) => {
      if (record.bytes <= room) return !this.#isHeld(record);
      const state = `it takes ${record.bytes} bytes, more than maxRequestBytes ${maxRequestBytes} allows`;
      this.#fail(record, new SinkError("rejected", `Cannot write to Kafka: ${state}`));
      return false;
    });
  }

  async #sendAll(records: readonly KafkaRecord[]): Promise<void> {
    for (let waiting = records; waiting.length > 0;) {
      const { request, rest } = nextRequest(
        waiting.filter((record) => !this.#isHeld(record)),
        this.#options.maxRequestBytes,
      );
      if (request.length > 0) await this.#send(request);
      waiting = rest;
    }
  }

  async #send(request: readonly KafkaRecord[]): Promise<void> {
    let refusals: readonly Refusal[];
    try {
      refusals = await this.#options.send(request);
    } catch (error) {
      await this.#thrown(request, error);
      return;
    }
    this.#written += request.length;
    for (const { records, error } of refusals) {
      this.#written -= records.length;
      if (error.kind === "rejected" && records.length > 1) await this.#sendHalves(records);
      else this.#refused(records, error);
    }
  }

  /** Where a topic alone is to blame, the others go on. */
  async #thrown(request: readonly KafkaRecord[], thrown: unknown): Promise<void> {
    const error = thrown instanceof SinkError
      ? thrown
      : new SinkError("retryable", "Cannot write to Kafka: stopped", { cause: thrown });
    if (this.#options.topics.only !== undefined || !isOfATopic(error)) {
      this.#refused(request, error);
      this.#stop = error;
      return;
    }
    const topics = [...Map.groupBy(request, ({ topic }) => topic).values()];
    if (topics.length === 1) this.#refused(request, error);
    else for (const records of topics) await this.#sendAll(records);
  }

  /** One of them is to blame, or their number: the others may be taken without it. */
  async #sendHalves(records: readonly KafkaRecord[]): Promise<void> {
    const half = Math.ceil(records.length / 2);
    await this.#sendAll(records.slice(0, half));
    await this.#sendAll(records.slice(half));
  }

  #refused(records: readonly KafkaRecord[], error: SinkError): void {
    for (const record of records) {
      if (!this.#isHeld(record)) this.#fail(record, error);
    }
    if (error.kind === "fatal") this.#stop ??= error;
  }

  /** An event behind one that failed is not sent: it is put down as failed, too. */
  #isHeld(record: KafkaRecord): boolean {
    const before = this.#stop ?? this.#stopOfKey.get(record.key);
    if (!before) return false;
    const state = `${before.message} (an earlier event; this one was not sent)`;
    this.#failed.push({ index: record.index, error: new SinkError("retryable", state) });
    return true;
  }

  #fail(record: KafkaRecord, error: SinkError): void {
    this.#failed.push({ index: record.index, error });
    this.#stopOfKey.set(record.key, error);
  }
}
