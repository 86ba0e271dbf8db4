import { Metrics } from "../../src/observe/metrics.ts";
import { ReplicationDecoder } from "../../src/postgres/pgoutput/replication_decoder.ts";
import type { ReplicationSettings } from "../../src/postgres/replication/replication_settings.ts";
import { ReplicationStream } from "../../src/postgres/replication/replication_stream.ts";
import type { Replicated } from "../../src/postgres/row_change.ts";
import type { Connected } from "../../src/postgres/replication/stream_chunk.ts";
import { LogRecorder } from "./log_recorder.ts";
import { until } from "./until.ts";

/** How a follower treats what it reads. */
export interface FollowerOptions {
  /** Whether it confirms what is committed, and keepalives between transactions; default true. */
  readonly confirms?: boolean;
  /** Awaited before each chunk is taken: how a test holds the reader up. */
  readonly gate?: () => Promise<void>;
}

/** Reads a `ReplicationStream` as the router does, and remembers what came. */
export class StreamFollower implements AsyncDisposable {
  readonly stream: ReplicationStream;
  readonly log = new LogRecorder();
  readonly metrics = new Metrics();
  readonly connections: Connected[] = [];
  /** `insert {"$dtId": "a"}`, `update …`, `delete …` (with the old row, if it came), `truncate`. */
  readonly changes: string[] = [];
  keepalives = 0;
  /** Why the stream ended, if it did. */
  failure: unknown;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(settings: ReplicationSettings, options: FollowerOptions = {}) {
    this.stream = new ReplicationStream(settings, { metrics: this.metrics, log: this.log });
    this.#ended = this.#follow(options);
  }

  /** Resolves when the stream has streamed at least so often; throws what ended it. */
  async connected(times = 1): Promise<void> {
    await this.until(() => this.connections.length >= times, () => `connection ${times}`);
  }

  /** Resolves when all of these changes have come. */
  async seen(...changes: string[]): Promise<void> {
    const missing = () => changes.filter((change) => !this.changes.includes(change));
    await this.until(
      () => missing().length === 0,
      () => `${missing().join(", ")} after ${this.changes.join(", ")}`,
    );
  }

  async logged(pattern: RegExp): Promise<void> {
    await this.until(
      () => this.log.matching(pattern).length > 0,
      () => `a log line like ${pattern}`,
    );
  }

  async until(condition: () => boolean | Promise<boolean>, awaited: () => string): Promise<void> {
    await until(() => {
      if (this.failure !== undefined) throw this.failure;
      return condition();
    }, () => `${awaited()}\n${JSON.stringify(this.stream.health())}\n${this.log.lines.join("\n")}`);
  }

  /** What has been read can still be confirmed. */
  async stopReading(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** Stops reading, and then the connection; what has been confirmed has been told. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopReading();
    await this.stream[Symbol.asyncDispose]();
  }

  async #follow({ confirms = true, gate }: FollowerOptions): Promise<void> {
    let decoder = new ReplicationDecoder();
    let isInTransaction = false;
    // A gate that a test has left closed holds up no end.
    const stopped = new Promise<void>((resolve) => {
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      for await (const chunk of this.stream.messages(this.#stop.signal)) {
        switch (chunk.kind) {
          case "connected":
            this.connections.push(chunk);
            decoder = new ReplicationDecoder();
            isInTransaction = false;
            break;
          case "payloads":
            for (const item of decoder.decode(chunk.payloads)) {
              if (item.kind === "begin") isInTransaction = true;
              if (item.kind === "settle" && item.endsTransaction) isInTransaction = false;
              if (item.kind === "settle" && confirms) this.stream.confirm(item.lsn);
              this.#note(item);
            }
            break;
          case "keepalive":
            this.keepalives++;
            if (confirms && !isInTransaction) this.stream.confirm(chunk.walEnd);
            break;
          default:
            chunk satisfies never;
        }
        if (gate) await Promise.race([gate(), stopped]);
      }
    } catch (error) {
      this.failure = error;
    }
  }

  #note(item: Replicated): void {
    if (item.kind === "truncate") this.changes.push("truncate");
    if (item.kind !== "insert" && item.kind !== "update" && item.kind !== "delete") return;
    if (item.relation.namespace === "ag_catalog") return this.stream.labelsChanged();
    const row = item.kind === "delete" ? item.old ?? item.key : item.new;
    const column = item.relation.columns.findIndex(({ name }) => name === "properties");
    const before = item.kind === "update" && item.old ? ` before ${item.old.text(column)}` : "";
    this.changes.push(`${item.kind} ${row?.text(column)}${before}`);
  }
}
