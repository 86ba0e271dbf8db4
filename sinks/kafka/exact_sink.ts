import type { Batch, CloudEvent, FailedEvent, Resumption, Sink, StreamStart } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { KafkaOptions } from "./config.ts";
import type { Connector } from "./connector.ts";
import { nextRequest, roomForRecord } from "./next_request.ts";
import { positionOn, type PositionRecord, readRecord, writeRecord } from "./position_record.ts";
import { identityOf, type Position, positionAfter, Progress, type Written } from "./progress.ts";
import { type KafkaRecord, recordOf } from "./record.ts";
import { TopicTemplate } from "./topic_template.ts";
import type { TransactionalSession } from "./transactional_session.ts";

const MAX_EVENTS = 1000;

/** A transaction that may have been committed. */
interface Doubt extends Written {
  readonly transaction: string;
}

/**
 * Writes events exactly once: each batch is a transaction of Kafka's, and the position after it is part of it. At the
 * start, and whenever it is not known what became of a transaction, the position is read again, by a producer that has
 * shut out every earlier one of the same transactional id first.
 */
export class ExactSink implements Sink {
  readonly batch: { readonly maxEvents: number; readonly maxBytes: number; readonly inOrder: true };

  readonly #options: KafkaOptions;
  readonly #connector: Connector;
  readonly #name: string;
  readonly #topics: TopicTemplate;
  /** Tells this process from another one that has the same transactional id. */
  readonly #holder = crypto.randomUUID();
  /** The connection to the stream in which this process has taken over the transactional id. */
  #stream: StreamStart | undefined;
  #session: TransactionalSession | undefined;
  #progress = new Progress();
  #doubt: Doubt | undefined;

  constructor(options: KafkaOptions, connector: Connector, name: string) {
    this.batch = { maxEvents: MAX_EVENTS, maxBytes: options.maxRequestBytes * 4, inOrder: true };
    this.#options = options;
    this.#connector = connector;
    this.#name = name;
    this.#topics = new TopicTemplate(options.topic);
  }

  has(event: CloudEvent, isApart = false): boolean {
    return this.#progress.has(event, isApart);
  }

  async connect(signal: AbortSignal, resumption?: Resumption): Promise<void> {
    await this.#close();
    if (!resumption) return await this.#probe(signal);
    const { stream } = resumption;
    const { positionTopic } = this.#options;
    const session = await this.#connector.openTransactional(
      this.#topics.only,
      this.#transactionalId(stream),
      signal,
    );
    this.#session = session;
    await session.ensureCompactedTopic(positionTopic, signal);
    // Who has just got the slot may take over; who has lost it, and does not know yet, may not.
    if (stream === this.#stream) await this.#assertNotReplaced(session, stream, signal);
    await session.initTransactions(signal);
    const text = await session.readLast(positionTopic, this.#key(stream), { wait: true }, signal);
    const record = text === undefined ? undefined : readRecord(text);
    const progress = this.#progressAt(resumption, record);
    // From now on whoever was shut out can see by whom.
    const transaction = record?.transaction ?? crypto.randomUUID();
    await this.#commit(session, stream, { transaction, position: progress.position, records: [] }, signal);
    this.#stream = stream;
    this.#progress = progress;
    this.#doubt = undefined;
  }

  async deliver(batch: Batch, signal: AbortSignal, isApart = false): Promise<readonly FailedEvent[]> {
    const [session, stream] = [this.#session, this.#stream];
    if (!session || session.isSpent || !stream) {
      throw new SinkError("retryable", "Cannot write to Kafka: not connected");
    }
    const { contentMode, maxRequestBytes } = this.#options;
    const records = batch.map((event, index) =>
      recordOf(event, index, this.#topics.topicOf(event), contentMode)
    );
    const room = roomForRecord(maxRequestBytes);
    const tooLarge = records.findIndex(({ bytes }) => bytes > room);
    const end = tooLarge === -1 ? batch.length : tooLarge;
    const events = batch.slice(0, end);
    if (end > 0) {
      const before = this.#progress.position;
      const position = isApart ? before : positionAfter(before, events);
      const transaction = crypto.randomUUID();
      this.#doubt = { transaction, events: new Set(events.map(identityOf)), isApart };
      await this.#commit(session, stream, { transaction, position, records: records.slice(0, end) }, signal);
      this.#doubt = undefined;
      if (!isApart) this.#progress.advance(position);
    }
    return tooLarge === -1 ? [] : rejectedAt(tooLarge, records, maxRequestBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#connector[Symbol.asyncDispose]();
  }

  /** One transaction; throws when it is not known to be committed. */
  async #commit(
    session: TransactionalSession,
    stream: StreamStart,
    { transaction, position, records }: {
      readonly transaction: string;
      readonly position: Position | undefined;
      readonly records: readonly KafkaRecord[];
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { timeline } = stream;
    const record = { timeline, holder: this.#holder, transaction, ...(position && { position }) };
    const { positionTopic, maxRequestBytes } = this.#options;
    const refusal = await session.transact(
      requestsOf(records, maxRequestBytes),
      { topic: positionTopic, message: { key: this.#key(stream), value: writeRecord(record) } },
      signal,
    );
    if (!refusal) return;
    this.#doubt = undefined;
    // Of several, nobody knows which is to blame: they come again one by one.
    const { kind, message } = refusal;
    throw kind === "rejected" && records.length > 1 ? new SinkError("retryable", message) : refusal;
  }

  #progressAt(resumption: Resumption, record: PositionRecord | undefined): Progress {
    const wasCommitted = this.#doubt !== undefined && record?.transaction === this.#doubt.transaction;
    const found = wasCommitted ? this.#doubt : undefined;
    return Progress.resumed(positionOn(resumption.stream, record), resumption, found);
  }

  /** Another process with the same transactional id that has taken over is not to be shut out in its turn. */
  async #assertNotReplaced(
    session: TransactionalSession,
    stream: StreamStart,
    signal: AbortSignal,
  ): Promise<void> {
    const { positionTopic } = this.#options;
    const text = await session.readLast(positionTopic, this.#key(stream), { wait: false }, signal);
    if (text === undefined || readRecord(text).holder === this.#holder) return;
    const id = this.#transactionalId(stream);
    throw new SinkError(
      "retryable",
      `Cannot go on: another router has taken over the transactional id ${id}`,
    );
  }

  /** For `check`, which leaves everything as it is: whether the brokers have transactions at all. */
  async #probe(signal: AbortSignal): Promise<void> {
    const id = this.#options.transactionalId ?? `twinrouter/${this.#name}`;
    const session = await this.#connector.openTransactional(this.#topics.only, id, signal);
    try {
      await session.findCoordinator(signal);
    } finally {
      await session[Symbol.asyncDispose]();
    }
  }

  #key({ systemIdentifier, slot }: StreamStart): string {
    return `${systemIdentifier}/${slot}/${this.#name}`;
  }

  #transactionalId(stream: StreamStart): string {
    return this.#options.transactionalId ?? `twinrouter/${this.#key(stream)}`;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.[Symbol.asyncDispose]();
  }
}

/** In as few requests as their size allows. */
function requestsOf(records: readonly KafkaRecord[], maxBytes: number): (readonly KafkaRecord[])[] {
  const requests = [];
  for (let waiting = records; waiting.length > 0;) {
    const { request, rest } = nextRequest(waiting, maxBytes);
    requests.push(request);
    waiting = rest;
  }
  return requests;
}

/** An event that no request has room for; those behind it were not sent. */
function rejectedAt(
  first: number,
  records: readonly KafkaRecord[],
  maxRequestBytes: number,
): readonly FailedEvent[] {
  const state = `it takes ${
    records[first]?.bytes
  } bytes, more than maxRequestBytes ${maxRequestBytes} allows`;
  const error = new SinkError("rejected", `Cannot write to Kafka: ${state}`);
  const notSent = new SinkError("retryable", `${error.message} (an earlier event; this one was not sent)`);
  return records.slice(first).map(({ index }) => ({ index, error: index === first ? error : notSent }));
}
