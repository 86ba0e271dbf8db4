import { setTimeout as delay } from "node:timers/promises";
import type { PartState } from "../../observe/health.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { formatAddress } from "../connection/connection_options.ts";
import { endOnAbort } from "../connection/end_on_abort.ts";
import type { Sql } from "../connection/sql.ts";
import { isHopeless, sqlState } from "../connection/sql_state.ts";
import { formatLsn, type Lsn } from "../lsn.ts";
import { PreflightError } from "./finding.ts";
import { FindingLog } from "./finding_log.ts";
import { type LabelRows, readLabelRows } from "./label_rows.ts";
import { LabelWatch } from "./label_watch.ts";
import type { Liveness } from "./liveness.ts";
import { Outage } from "./outage.ts";
import { type ReplicationSession, SilenceError } from "./replication_session.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { SlotWatch } from "./slot_watch.ts";
import { openSource } from "./source.ts";
import type { Connected, StreamChunk } from "./stream_chunk.ts";
import { type StreamConnection, StreamConnector } from "./stream_connector.ts";
import { StreamHealth } from "./stream_health.ts";
import { StreamHistory } from "./stream_history.ts";

/** Whom the stream tells. */
export interface ReplicationObservers {
  readonly metrics: Metrics;
  readonly log: Log;
}

/** What a server before PostgreSQL 18 says that decodes what was written before there was the publication. */
const UNDEFINED_OBJECT = "42704";

/** Everything that ends with a connection. */
interface Streaming extends Omit<StreamConnection, "wasElsewhere"> {
  readonly watch: SlotWatch;
}

/**
 * The changes of one database, for the life of the program. Connects, makes what is missing (publication, slot, replica
 * identities), streams, and begins again whenever the connection is lost, for ever; an outage is said once, and when it
 * is over. Labels that come meanwhile are looked after.
 */
export class ReplicationStream implements AsyncDisposable {
  readonly #settings: ReplicationSettings;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #labels: LabelWatch;
  readonly #outage: Outage;
  readonly #closing = new AbortController();
  readonly #findings: FindingLog;
  readonly #health: StreamHealth;
  readonly #history: StreamHistory;
  readonly #connector: StreamConnector;
  /** Called when the slot has come to be held again, or is known to be lost; whoever was told no hears of the yes. */
  onHoldChange: () => void = () => {};
  /** Called now and then while the slot is held: no failover loses the WAL that the server has before this. */
  onSafe: (lsn: Lsn) => void = () => {};
  #wasHeld = false;
  #wasDenied = false;
  #streaming: Streaming | undefined;
  #isReading = false;
  /** Why the reader wants another connection. */
  #unreadable: unknown;

  /** `open` is for tests. */
  constructor(settings: ReplicationSettings, { metrics, log }: ReplicationObservers, open = openSource) {
    this.#settings = settings;
    this.#metrics = metrics;
    this.#log = log;
    this.#labels = new LabelWatch(settings, log);
    this.#findings = new FindingLog(log);
    this.#health = new StreamHealth(settings, { metrics, log });
    this.#history = new StreamHistory(log);
    const [history, health, labels, findings] = [this.#history, this.#health, this.#labels, this.#findings];
    this.#connector = new StreamConnector(settings, { history, health, labels, findings, log }, open);
    this.#outage = new Outage("Replication", log);
  }

  /**
   * What the server sends, in order, for one reader. While nobody takes the next chunk nothing is read, and the
   * connection is kept. Ends when the signal aborts; the connection is kept even then, so that what was read can still
   * be confirmed, until the stream is disposed of.
   *
   * Throws a `PreflightError` for what somebody has to change, and before the first connection has come about what the
   * server says to a wrong password, a missing database and the like. Once it has streamed, only the loss of the slot, or
   * another database cluster in the server's place, ends it.
   */
  async *messages(signal: AbortSignal): AsyncGenerator<StreamChunk, void, void> {
    if (this.#isReading) throw new Error("Cannot read the replication stream: somebody else is reading");
    this.#isReading = true;
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    try {
      while (!stop.aborted) {
        try {
          if (!this.#streaming) yield await this.#connect(stop);
          const streaming = this.#streaming;
          if (!streaming) continue;
          streaming.hold.readOn();
          this.#noteHold();
          yield* this.#read(streaming.session, stop);
        } catch (error) {
          if (stop.aborted) return;
          if (this.#streaming && sqlState(error) === UNDEFINED_OBJECT) this.#history.missPublication();
          await this.#disconnect();
          if (this.#isFinal(error)) {
            this.#health.enter("stopped", error);
            throw error;
          }
          if (error instanceof SilenceError) this.#connector.wasSilent();
          // An outage is said once; but what a person has to change may come to light in its course.
          if (error instanceof PreflightError && this.#outage.isUnderWay) {
            for (const finding of error.findings) this.#findings.tell(finding);
          }
          this.#health.enter("interrupted", error);
          await delay(this.#outage.failed(error), undefined, { signal: stop }).catch(() => {});
        }
      }
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * Everything before `lsn` is settled: the server need not keep it, and sends none of it again. Lower positions than
   * before change nothing. Goes out within 50 ms, with all that is confirmed meanwhile.
   */
  confirm(lsn: Lsn): void {
    const { progress } = this.#history;
    const result = progress.confirm(lsn);
    if (result === "moved") this.#streaming?.session.confirmSoon();
    if (result !== "refused") return;
    const received = formatLsn(progress.received);
    this.#log.debug("A position that has not been reached is not confirmed", {
      lsn: formatLsn(lsn),
      received,
    });
  }

  /**
   * To be called by the reader for a chunk that it cannot make sense of: the stream then goes on as after the loss of
   * a connection, with a new one and from what is confirmed.
   */
  beginAgain(reason: unknown): void {
    this.#unreadable ??= reason;
  }

  /**
   * What the label of that name holds in each graph that is followed. Read after "connected" and before the next chunk, it
   * is no older than what comes next: a change that is not in it yet is still to come. A graph whose rows the role may not
   * read is passed over, and named once; without a connection there are none.
   */
  async *labelRows(label: string, signal: AbortSignal): AsyncGenerator<LabelRows> {
    const sql = this.#streaming?.source.sql;
    if (!sql) return;
    using _ = endOnAbort(sql, signal);
    yield* readLabelRows(sql, this.#settings, label, (finding) => this.#findings.tell(finding));
  }

  /** For SQL of snapshots on the server that is streamed from; undefined without a connection, and ended with it. */
  get snapshotSql(): Sql | undefined {
    return this.#streaming?.source.snapshotSql;
  }

  /**
   * Whether the slot is this stream's: what was read may then be delivered, since nobody else can be delivering. False
   * until the reader asks for what follows "connected", and when the slot has not been seen for so long that the server
   * may have given it away.
   */
  get holdsSlot(): boolean {
    const isHeld = this.#streaming?.hold.isInUse ?? false;
    if (!isHeld) this.#wasDenied = true;
    return isHeld;
  }

  /** To be called when a change of `ag_catalog` has been read: a new label is then looked after at once. */
  labelsChanged(): void {
    this.#labels.labelsChanged();
  }

  /** How the stream does, for probes and people. */
  health(): PartState {
    return this.#health.report(this.#history.progress, this.#streaming);
  }

  /** WAL that the server has written and that is not confirmed; 0 while it is not known. */
  get lagBytes(): number {
    return this.#history.progress.lagBytes;
  }

  /** Confirms what has been settled, and ends the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#streaming?.session.end();
    await this.#disconnect();
    this.#health.enter("stopped");
  }

  async *#read(session: ReplicationSession, signal: AbortSignal): AsyncGenerator<StreamChunk, void, void> {
    this.#throwIfUnreadable();
    for await (const chunk of session.read(signal)) {
      yield chunk;
      this.#throwIfUnreadable();
    }
  }

  #throwIfUnreadable(): void {
    const reason = this.#unreadable;
    this.#unreadable = undefined;
    if (reason !== undefined) throw reason;
  }

  async #connect(signal: AbortSignal): Promise<Connected> {
    const { slot, publication } = this.#settings;
    const isFirst = this.#isFirst;
    if (isFirst) this.#health.enter("connecting");
    const connected = await this.#connector.connect((liveness) => this.#tick(liveness), signal);
    const { source, session, hold, wasElsewhere } = connected;
    void this.#labels.run(source, hold.lost, () => {
      this.beginAgain(new Error(`Cannot read on: publication ${publication} was dropped`));
    });
    this.#streaming = { source, session, hold, watch: this.#watch(connected) };
    if (isFirst) this.#log.info(`Streaming from slot ${slot} at ${formatAddress(source.connection.address)}`);
    this.#health.enter("streaming");
    return {
      kind: "connected",
      systemIdentifier: source.systemIdentifier,
      database: source.database,
      timeline: source.timeline,
      ancestors: source.ancestors,
      walEnd: source.walEnd,
      sameTimelineAsBefore: this.#history.takeContinuity(),
      confirmed: source.isReplacement ? 0n : this.#history.progress.confirmed,
      wasElsewhere,
      isReplacement: source.isReplacement,
      lost: hold.lost,
      graphCount: source.graphCount,
      serverVersion: source.version,
    };
  }

  #watch({ source, session, hold }: StreamConnection): SlotWatch {
    return new SlotWatch(session, hold, formatAddress(source.connection.address), {
      log: this.#log,
      onState: ({ walEnd, safeWalEnd, slot }) => {
        this.#history.progress.written(walEnd);
        if (safeWalEnd !== undefined && hold.isInUse) this.onSafe(safeWalEnd);
        if (slot) this.#health.slot.note(slot);
      },
      onLook: () => {
        this.#noteHold();
        this.#metrics.lagBytes.set(this.lagBytes);
      },
      onUseless: (reason) => {
        this.#health.enter("interrupted", reason);
        this.#metrics.streaming.set(0);
      },
      onLost: () => this.#noteHold(),
    });
  }

  #tick(liveness: Liveness): void {
    const isWell = liveness === "alive" || liveness === "not reading";
    this.#metrics.streaming.set(isWell ? 1 : 0);
    if (isWell) this.#outage.isOver();
    this.#noteHold();
    this.#streaming?.watch.tick(liveness);
  }

  /** A doubt may come and go between two looks: then only who was told of it knows that there was one. */
  #noteHold(): void {
    const isHeld = this.#streaming?.hold.isInUse ?? false;
    if (isHeld === this.#wasHeld && !(isHeld && this.#wasDenied)) return;
    this.#wasHeld = isHeld;
    if (isHeld) this.#wasDenied = false;
    this.onHoldChange();
  }

  /** Lets go of a connection that has failed, if there is one. */
  async #disconnect(): Promise<void> {
    const streaming = this.#streaming;
    if (!streaming) return;
    this.#streaming = undefined;
    streaming.watch.end();
    this.#metrics.streaming.set(0);
    if (!this.#closing.signal.aborted) this.#metrics.reconnects.inc();
    streaming.hold.lose();
    this.#noteHold();
    await streaming.session.abandon();
    await streaming.source[Symbol.asyncDispose]();
  }

  /** No connection has come about yet. */
  get #isFirst(): boolean {
    return this.#history.systemIdentifier === undefined;
  }

  /** Whether trying again is of no use. */
  #isFinal(error: unknown): boolean {
    if (error instanceof PreflightError) return this.#isFirst ? error.fatal : error.isLoss;
    return this.#isFirst && isHopeless(error);
  }
}
