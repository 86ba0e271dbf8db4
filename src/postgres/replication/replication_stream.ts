import { setTimeout as delay } from "node:timers/promises";
import type { PartState } from "../../observe/health.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { formatAddress } from "../connection/connection_options.ts";
import { quoteTable } from "../connection/quote.ts";
import { type Finding, PreflightError } from "./finding.ts";
import { type LabelRows, readLabelRows } from "./label_rows.ts";
import { LabelWatch } from "./label_watch.ts";
import { type Liveness, livenessTimings } from "./liveness.ts";
import { formatLsn, type Lsn } from "../lsn.ts";
import { Outage } from "./outage.ts";
import { ReplicationProgress } from "./replication_progress.ts";
import { ReplicationSession, SilenceError } from "./replication_session.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { readSlot, type SlotUser, waitForSlot } from "./slot.ts";
import { SlotHealth } from "./slot_health.ts";
import { SlotMemory } from "./slot_memory.ts";
import { SlotHold, SlotTakenError } from "./slot_hold.ts";
import { type Moment, thisMoment } from "./slot_lease.ts";
import { endOnAbort, openSource, type Source } from "./source.ts";
import type { Sql } from "../connection/sql.ts";
import { isHopeless, sqlState } from "../connection/sql_state.ts";
import type { Connected, StreamChunk } from "./stream_chunk.ts";

/** Whom the stream tells. */
export interface ReplicationObservers {
  readonly metrics: Metrics;
  readonly log: Log;
}

/** What a server before PostgreSQL 18 says that decodes what was written before there was the publication. */
const UNDEFINED_OBJECT = "42704";

/** No publication's OID: what the slot holds is older than the one that there is. */
const NO_PUBLICATION = 0;

/** What a server says that starts or stops. */
const CANNOT_CONNECT_NOW = "57P03";

/** So long after the server was last heard, in milliseconds, a reader that waits for others is told of the loss. */
const LONGEST_DOUBT = 30_000;

/** Everything that ends with a connection. */
interface Streaming {
  readonly source: Source;
  readonly session: ReplicationSession;
  readonly hold: SlotHold;
}

/** A session that has begun, and what was found then. */
interface Started {
  readonly session: ReplicationSession;
  readonly askedAt: Moment;
  readonly wasElsewhere: boolean;
}

/**
 * The changes of one database, for the life of the program. Connects, makes what is missing (publication, slot, replica
 * identities), streams, and begins again whenever the connection is lost, for ever; an outage is said once, and when it
 * is over. Labels that come meanwhile are looked after.
 */
export class ReplicationStream implements AsyncDisposable {
  readonly #settings: ReplicationSettings;
  readonly #open: typeof openSource;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #labels: LabelWatch;
  readonly #outage: Outage;
  readonly #closing = new AbortController();
  /** Problems of warnings that have been logged. */
  readonly #warned = new Set<string>();
  /** Called when the slot has come to be held again, or is known to be lost. */
  onHoldChange: () => void = () => {};
  #wasHeld = false;
  readonly #memory: SlotMemory;
  readonly #health: SlotHealth;
  /** The OID of that which was streamed from last. */
  #publication: number | undefined;
  /** The server's process that last served this stream. */
  #ownProcess: number | undefined;
  #progress = new ReplicationProgress();
  #systemIdentifier: string | undefined;
  #timeline: number | undefined;
  /** LSNs have come to mean other WAL, and the reader has not been told. */
  #hasOtherHistory = false;
  #streaming: Streaming | undefined;
  #isReading = false;
  /** Connections given up for silence since the confirmed position last moved. */
  #silences = { count: 0, confirmed: -1n };
  /** Why the reader wants another connection. */
  #unreadable: unknown;
  /** What is, while nothing is streamed. */
  #state = "connecting";
  #detail: string | undefined;
  #since = Date.now();
  #host: string | undefined;

  /** `open` is for tests. */
  constructor(settings: ReplicationSettings, { metrics, log }: ReplicationObservers, open = openSource) {
    this.#settings = settings;
    this.#open = open;
    this.#metrics = metrics;
    this.#log = log;
    this.#labels = new LabelWatch(settings, log);
    this.#memory = new SlotMemory(settings.slot, log);
    this.#health = new SlotHealth({ metrics, log });
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
          if (this.#streaming && sqlState(error) === UNDEFINED_OBJECT) this.#publication = NO_PUBLICATION;
          await this.#disconnect();
          if (this.#isFinal(error)) {
            this.#enter("stopped", error);
            throw error;
          }
          if (error instanceof SilenceError) this.#countSilence();
          // An outage is said once; but what a person has to change may come to light in its course.
          if (error instanceof PreflightError && this.#outage.isUnderWay) {
            error.findings.forEach(this.#warnOnce, this);
          }
          this.#enter("interrupted", error);
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
    const result = this.#progress.confirm(lsn);
    if (result === "moved") this.#streaming?.session.confirmSoon();
    if (result !== "refused") return;
    const received = formatLsn(this.#progress.received);
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
    yield* readLabelRows(sql, this.#settings, label, (graph, error) =>
      this.#warnOnce({
        severity: "warning",
        about: "role",
        problem: `Cannot read ${graph}.${label}: ${error instanceof Error ? error.message : error}`,
        remedy: `GRANT SELECT ON ${quoteTable({ schema: graph, name: label })} TO this router's role.`,
      }));
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
    return this.#streaming?.hold.isInUse ?? false;
  }

  /** To be called when a change of `ag_catalog` has been read: a new label is then looked after at once. */
  labelsChanged(): void {
    this.#labels.labelsChanged();
  }

  /**
   * Ready while the server was heard recently, or would be if the consumer took what it has sent; and while another router
   * has the slot, which this one stands by for.
   */
  health(): PartState {
    const isStandby = this.#state === "waiting for slot";
    const role = this.#streaming ? "active" : isStandby ? "standby" : undefined;
    const facts = {
      ...(this.#host === undefined ? {} : { host: this.#host }),
      database: this.#settings.connection.database,
      slot: this.#settings.slot,
      ...(role === undefined ? {} : { role }),
      confirmed: formatLsn(this.#progress.confirmed),
      lagBytes: this.lagBytes,
      ...this.#health.facts,
    };
    const liveness = this.#streaming?.session.liveness;
    if (this.#streaming && (liveness === "silent" || liveness === "lost")) {
      const silence = Math.round(this.#streaming.session.silence);
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
    const isInDoubt = this.#state === "streaming" && !this.#streaming?.hold.isSure;
    const detail = isInDoubt
      ? "the server does not say whether the slot is still this router's"
      : liveness === "not reading"
      ? "waiting for sinks"
      : this.#detail;
    return {
      name: "replication",
      ready: isStandby || (this.#streaming !== undefined && this.#state === "streaming" && !isInDoubt),
      state: this.#state,
      since: this.#since,
      ...(detail === undefined ? {} : { detail }),
      facts,
    };
  }

  /** WAL that the server has written and that is not confirmed; 0 while it is not known. */
  get lagBytes(): number {
    return this.#progress.lagBytes;
  }

  /** Confirms what has been settled, and ends the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#streaming?.session.end();
    await this.#disconnect();
    this.#enter("stopped");
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
    const isFirst = this.#systemIdentifier === undefined;
    if (isFirst) this.#enter("connecting");
    const source = await this.#open(this.#settings, {
      systemIdentifier: this.#systemIdentifier,
      earlier: isFirst ? undefined : { confirmed: this.#progress.confirmed, publication: this.#publication },
      memory: this.#memory,
      labels: this.#labels,
      warn: (finding) => this.#warnOnce(finding),
      log: this.#log,
    }, signal);
    try {
      this.#host = formatAddress(source.connection.address);
      this.#systemIdentifier = source.systemIdentifier;
      this.#publication = source.publication;
      this.#recognise(source);
      const { session, askedAt, wasElsewhere } = await this.#startSession(source, signal);
      if (signal.aborted) {
        await session.abandon();
        throw signal.reason;
      }
      const hold = new SlotHold(source, this.#settings.slot, askedAt);
      const { publication } = this.#settings;
      void this.#labels.run(source, hold.lost, () => {
        this.beginAgain(new Error(`Cannot read on: publication ${publication} was dropped`));
      });
      this.#streaming = { source, session, hold };
      this.#ownProcess = source.connection.processId;
      if (isFirst) {
        this.#log.info(`Streaming from slot ${this.#settings.slot} at ${this.#host}`);
      }
      this.#enter("streaming");
      const sameTimelineAsBefore = !this.#hasOtherHistory;
      this.#hasOtherHistory = false;
      const { systemIdentifier, database, timeline, ancestors, walEnd, graphCount, version: serverVersion } =
        source;
      return {
        kind: "connected",
        systemIdentifier,
        database,
        timeline,
        ancestors,
        walEnd,
        sameTimelineAsBefore,
        confirmed: source.isReplacement ? 0n : this.#progress.confirmed,
        wasElsewhere,
        isReplacement: source.isReplacement,
        lost: hold.lost,
        graphCount,
        serverVersion,
      };
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** If LSNs no longer mean what they did on the connection before, what was confirmed is forgotten. */
  #recognise({ timeline, walEnd }: Source): void {
    const before = this.#timeline;
    this.#timeline = timeline;
    if (before === undefined) return;
    // A cluster that was restored to an earlier state may have kept its timeline, but not what we know of: the server
    // sends nothing that it could lose by a crash.
    if (timeline === before && walEnd >= this.#progress.received) return;
    this.#log.warn("The server has another history than before: what the slot holds comes again", {
      host: this.#host,
      timeline: { before, now: timeline },
      confirmed: formatLsn(this.#progress.confirmed),
    });
    this.#progress = new ReplicationProgress();
    this.#hasOtherHistory = true;
  }

  async #startSession(source: Source, signal: AbortSignal): Promise<Started> {
    using _ = endOnAbort(source.sql, signal);
    const { slot } = this.#settings;
    let hasWaited = false;
    let wasElsewhere = false;
    const onWait = (user: SlotUser) => {
      this.#enter("waiting for slot", `${user.description} streams from slot ${slot}`);
      if (!hasWaited) {
        this.#log.info(`Slot ${slot} is in use by ${user.description}; this router stands by for it`);
      }
      hasWaited = true;
      wasElsewhere ||= user.pid !== this.#ownProcess;
    };
    const { count, confirmed } = this.#silences;
    const timings = livenessTimings(
      source.walSenderTimeout,
      this.#progress.confirmed > confirmed ? 0 : count,
    );
    for (;;) {
      await waitForSlot(source.sql, slot, onWait, signal);
      // Only now: whoever had the slot may have confirmed more.
      const { confirmedFlushLsn = 0n } = await readSlot(source.sql, slot) ?? {};
      wasElsewhere ||= !source.isReplacement && confirmedFlushLsn > this.#progress.confirmed;
      this.#progress.resumeAt(confirmedFlushLsn);
      const askedAt = thisMoment();
      try {
        const onTick = (liveness: Liveness) => this.#tick(liveness);
        const session = await ReplicationSession.start(
          source.connection,
          this.#settings,
          this.#progress,
          timings,
          onTick,
          signal,
        );
        if (hasWaited) this.#log.info(`Slot ${slot} is free; this router takes over`);
        return { session, askedAt, wasElsewhere };
      } catch (error) {
        if (sqlState(error) !== "55006") throw error; // object_in_use: somebody was faster
        await delay(250, undefined, { signal });
      }
    }
  }

  #tick(liveness: Liveness): void {
    const isWell = liveness === "alive" || liveness === "not reading";
    this.#metrics.streaming.set(isWell ? 1 : 0);
    if (isWell) this.#outage.isOver();
    this.#noteHold();
    const streaming = this.#streaming;
    if (!streaming || streaming.hold.lost.aborted) return;
    void this.#watchSlot(streaming);
    // A reader who is held up by a sink, which is held up by this doubt, would never hear that the server is gone.
    const { session: { silence }, hold } = streaming;
    if (liveness === "not reading" && !hold.isSure && silence > LONGEST_DOUBT) {
      const server = formatAddress(streaming.source.connection.address);
      void this.#letGo(
        streaming,
        new Error(`Cannot hear from ${server}: whose the slot is, it does not say`),
      );
    }
  }

  /** Keepalives tell only how far the server has read its WAL, not how far it has written it. */
  async #watchSlot(streaming: Streaming): Promise<void> {
    try {
      const state = await streaming.hold.ask();
      if (!state || streaming !== this.#streaming) return;
      this.#progress.written(state.walEnd);
      if (state.slot) this.#health.note(state.slot);
    } catch (error) {
      if (streaming !== this.#streaming) return;
      this.#log.debug("Cannot look at the slot", { error });
      // A server that stops ends all other sessions, and then waits until what it has sent is confirmed. That may be
      // never, if a sink takes nothing.
      const isOver = error instanceof SlotTakenError || sqlState(error) === CANNOT_CONNECT_NOW;
      if (isOver) await this.#letGo(streaming, error);
    } finally {
      this.#noteHold();
      this.#metrics.lagBytes.set(this.lagBytes);
    }
  }

  /** Closes the connection; its reader finds it lost when he reads on. */
  async #letGo({ session, hold }: Streaming, error: unknown): Promise<void> {
    if (hold.lost.aborted) return;
    this.#enter("interrupted", error);
    this.#metrics.streaming.set(0);
    hold.lose(error);
    this.#noteHold();
    await session.abandon();
  }

  #noteHold(): void {
    const isHeld = this.holdsSlot;
    if (isHeld === this.#wasHeld) return;
    this.#wasHeld = isHeld;
    this.onHoldChange();
  }

  /** Lets go of a connection that has failed, if there is one. */
  async #disconnect(): Promise<void> {
    const streaming = this.#streaming;
    if (!streaming) return;
    this.#streaming = undefined;
    this.#metrics.streaming.set(0);
    if (!this.#closing.signal.aborted) this.#metrics.reconnects.inc();
    streaming.hold.lose();
    this.#noteHold();
    await streaming.session.abandon();
    await streaming.source[Symbol.asyncDispose]();
  }

  #countSilence(): void {
    const { count, confirmed } = this.#silences;
    const now = this.#progress.confirmed;
    this.#silences = { count: now > confirmed ? 1 : count + 1, confirmed: now };
  }

  /** Whether trying again is of no use. */
  #isFinal(error: unknown): boolean {
    const isFirst = this.#systemIdentifier === undefined;
    if (error instanceof PreflightError) return isFirst ? error.fatal : error.isLoss;
    return isFirst && isHopeless(error);
  }

  #enter(state: string, detail?: unknown): void {
    if (state !== this.#state) this.#since = Date.now();
    this.#state = state;
    this.#detail = detail instanceof Error ? detail.message : detail as string | undefined;
  }

  #warnOnce({ problem, remedy }: Finding): void {
    if (this.#warned.has(problem)) return;
    this.#warned.add(problem);
    this.#log.warn(`${problem}. ${remedy}`);
  }
}
