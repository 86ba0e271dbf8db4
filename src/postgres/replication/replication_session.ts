import type { Connection } from "../connection/connection.ts";
import { formatAddress } from "../connection/connection_options.ts";
import type { CopyBoth } from "../connection/copy_both.ts";
import { judgeLiveness, type Liveness, type LivenessTimings } from "./liveness.ts";
import { formatLsn, type Lsn } from "../lsn.ts";
import { quoteName, quoteString } from "../connection/quote.ts";
import type { ReplicationProgress } from "./replication_progress.ts";
import { encodeStatusUpdate } from "./status_update.ts";
import { readWalSenderMessages, type WalSenderMessage } from "./walsender_message.ts";

/** A confirmed position goes out so many milliseconds after it moved, with all that moved it meanwhile. */
const CONFIRM_DELAY = 50;

/** What the server may take to end the stream in good order. */
const END_TIMEOUT = 2_000;

/**
 * One START_REPLICATION. Keeps the server informed on a timer of its own, whether or not anybody reads: a consumer that
 * takes its time stops the reading, never the status updates.
 */
export class ReplicationSession {
  readonly #connection: Connection;
  readonly #copy: CopyBoth;
  readonly #progress: ReplicationProgress;
  readonly #timings: LivenessTimings;
  readonly #onTick: (liveness: Liveness) => void;
  readonly #lost = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #confirmTimer: ReturnType<typeof setTimeout> | undefined;
  #heardAt = performance.now();
  #readingSince: number | undefined;
  #tickedAt = performance.now();
  #isOver = false;

  /**
   * Begins to stream after what is confirmed. Throws a `ServerError` 55006 if somebody else streams from the slot.
   * `onTick` is called with every status update that the timer sends.
   */
  static async start(
    connection: Connection,
    source: { readonly slot: string; readonly publication: string },
    progress: ReplicationProgress,
    timings: LivenessTimings,
    onTick: (liveness: Liveness) => void,
    signal: AbortSignal,
  ): Promise<ReplicationSession> {
    const command = startReplication(source, progress.confirmed, connection.serverVersion);
    const copy = await connection.copyBoth(command, signal);
    return new ReplicationSession(connection, copy, progress, timings, onTick);
  }

  private constructor(
    connection: Connection,
    copy: CopyBoth,
    progress: ReplicationProgress,
    timings: LivenessTimings,
    onTick: (liveness: Liveness) => void,
  ) {
    this.#connection = connection;
    this.#copy = copy;
    this.#progress = progress;
    this.#timings = timings;
    this.#onTick = onTick;
    this.#timer = setInterval(() => this.#tick(), timings.statusInterval);
    this.#sendStatus(true);
  }

  get liveness(): Liveness {
    const hearing = { heardAt: this.#heardAt, readingSince: this.#readingSince };
    return judgeLiveness(hearing, this.#timings, performance.now());
  }

  /** Milliseconds since the server was last heard. */
  get silence(): number {
    return performance.now() - this.#heardAt;
  }

  /**
   * What the server sends, in order, for one reader; read on by another call after an abort. Throws when the connection
   * is lost, the server ends the stream, or nothing has been heard for `lostAfter`; then the session is over.
   */
  async *read(signal: AbortSignal): AsyncGenerator<WalSenderMessage, void, void> {
    const server = formatAddress(this.#connection.address);
    try {
      this.#readingSince = performance.now();
      for await (const copyData of this.#copy.read(AbortSignal.any([signal, this.#lost.signal]))) {
        this.#heardAt = performance.now();
        this.#readingSince = undefined;
        for (const message of readWalSenderMessages(copyData)) {
          this.#receive(message);
          yield message;
        }
        this.#readingSince = performance.now();
      }
    } finally {
      this.#readingSince = undefined;
    }
    throw new Error(`Cannot read on from ${server}: the server ended the stream`);
  }

  /** To be called when the confirmed position has moved, however often. */
  confirmSoon(): void {
    if (this.#isOver) return;
    this.#confirmTimer ??= setTimeout(() => this.#sendStatus(false), CONFIRM_DELAY);
  }

  /** Confirms what is to be confirmed and closes the connection; in good order, if the server lets it. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#sendStatus(false);
    this.#stopTimers();
    try {
      await this.#copy.end(AbortSignal.timeout(END_TIMEOUT));
    } catch {
      // Whatever goes wrong now, the connection is closed next, and the server has what was sent.
    }
    await this.#connection[Symbol.asyncDispose]();
  }

  /** Closes a connection that has failed. */
  async abandon(): Promise<void> {
    this.#stopTimers();
    await this.#connection[Symbol.asyncDispose]();
  }

  #receive(message: WalSenderMessage): void {
    this.#progress.receive(message.kind === "keepalive" ? message.walEnd : message.reached);
    if (message.kind === "keepalive" && message.replyRequested) this.#sendStatus(false);
  }

  #sendStatus(replyRequested: boolean): void {
    clearTimeout(this.#confirmTimer);
    this.#confirmTimer = undefined;
    const { received, confirmed } = this.#progress;
    this.#copy.write(encodeStatusUpdate({ received, confirmed, replyRequested, clock: Date.now() }));
  }

  #tick(): void {
    const now = performance.now();
    // A process that was stopped itself, or a machine that slept, has not listened: the silence was its own.
    const hasSlept = now - this.#tickedAt > 2 * this.#timings.statusInterval + 1_000;
    this.#tickedAt = now;
    if (hasSlept && this.#readingSince !== undefined) this.#readingSince = now;
    this.#sendStatus(true);
    const { liveness } = this;
    if (liveness === "lost") {
      const silence = Math.round((now - this.#heardAt) / 1_000);
      const server = formatAddress(this.#connection.address);
      this.#lost.abort(new SilenceError(`Cannot hear from ${server}: nothing for ${silence} s`));
    }
    this.#onTick(liveness);
  }

  #stopTimers(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    clearTimeout(this.#confirmTimer);
  }
}

/** The server said nothing for too long, although it was asked. */
export class SilenceError extends Error {
  override readonly name = "SilenceError";
}

/**
 * The command, for pgoutput. `streaming 'off'`: the server itself spools a large transaction, and only what is committed
 * arrives. `messages 'true'`: logical decoding messages count in the ordinals of changes, so they are always asked for.
 * @see https://www.postgresql.org/docs/current/protocol-logical-replication.html
 */
export function startReplication(
  source: { readonly slot: string; readonly publication: string },
  from: Lsn,
  serverVersion: number,
): string {
  // 14 speaks protocol 1 and 2, 15 also 3 and 16 and later 4.
  const protocol = Math.min(Math.max(Math.floor(serverVersion / 10_000) - 12, 2), 4);
  const options = [
    `proto_version '${protocol}'`,
    // A list of names, each quoted as in SQL, inside one string.
    `publication_names ${quoteString(quoteName(source.publication))}`,
    "messages 'true'",
    "streaming 'off'",
  ];
  return `START_REPLICATION SLOT ${quoteName(source.slot)} LOGICAL ${formatLsn(from)} (${
    options.join(", ")
  })`;
}
