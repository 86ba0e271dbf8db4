import type { Log } from "../../observe/log.ts";
import type { FindingLog } from "./finding_log.ts";
import type { LabelWatch } from "./label_watch.ts";
import { type Liveness, livenessTimings } from "./liveness.ts";
import type { ReplicationSession } from "./replication_session.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { Silences } from "./silences.ts";
import { SlotHold } from "./slot_hold.ts";
import { SlotMemory } from "./slot_memory.ts";
import type { openSource, Source } from "./source.ts";
import { startSession } from "./start_session.ts";
import type { StreamHealth } from "./stream_health.ts";
import type { StreamHistory } from "./stream_history.ts";

/** A connection that streams. */
export interface StreamConnection {
  /** To be disposed of by whoever asked for the connection, after the session. */
  readonly source: Source;
  readonly session: ReplicationSession;
  readonly hold: SlotHold;
  /** Somebody else has streamed from the slot since the connection before, or may have. */
  readonly wasElsewhere: boolean;
}

/** What a connector reads and writes of the stream that it connects. */
export interface ConnectorContext {
  readonly history: StreamHistory;
  readonly health: StreamHealth;
  readonly labels: LabelWatch;
  readonly findings: FindingLog;
  readonly log: Log;
}

/** Makes one connection of a stream after the other, each with what those before have taught. */
export class StreamConnector {
  readonly #settings: ReplicationSettings;
  readonly #context: ConnectorContext;
  readonly #open: typeof openSource;
  readonly #memory: SlotMemory;
  readonly #silences = new Silences();
  /** The server's process that last served this stream. */
  #ownProcess: number | undefined;

  constructor(settings: ReplicationSettings, context: ConnectorContext, open: typeof openSource) {
    this.#settings = settings;
    this.#context = context;
    this.#open = open;
    this.#memory = new SlotMemory(settings.slot, context.log);
  }

  /**
   * Connects, waits for the slot and begins to stream from it. Throws what `openSource` and `startSession` throw, with
   * nothing left open. `onTick` is called with every status update of the session.
   */
  async connect(onTick: (liveness: Liveness) => void, signal: AbortSignal): Promise<StreamConnection> {
    const { history, health, labels, findings, log } = this.#context;
    const source = await this.#open(this.#settings, {
      systemIdentifier: history.systemIdentifier,
      earlier: history.earlier,
      memory: this.#memory,
      labels,
      warn: (finding) => findings.tell(finding),
      log,
    }, signal);
    try {
      health.connectedTo(source.connection.address);
      history.recognise(source);
      const { progress } = history;
      const { session, askedAt, wasElsewhere } = await startSession(source, this.#settings, {
        progress,
        timings: livenessTimings(source.walSenderTimeout, this.#silences.inARow(progress.confirmed)),
        ownProcess: this.#ownProcess,
        log,
        onWait: (reason) => health.enter("waiting for slot", reason),
        onTick,
      }, signal);
      if (signal.aborted) {
        await session.abandon();
        throw signal.reason;
      }
      this.#ownProcess = source.connection.processId;
      return { source, session, hold: new SlotHold(source, this.#settings.slot, askedAt), wasElsewhere };
    } catch (error) {
      await source[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** To be called when a connection has been given up for silence: the next has more patience. */
  wasSilent(): void {
    this.#silences.add(this.#context.history.progress.confirmed);
  }
}
