import type { Socket } from "node:net";
import { ByteReader } from "../byte_reader.ts";
import { cancelSession } from "./cancel.ts";
import { type ConnectionOptions, formatAddress, type HostAddress } from "./connection_options.ts";
import { type CopyBoth, CopyBothStream } from "./copy_both.ts";
import { queryMessage, terminate } from "./frontend_messages.ts";
import { type Login, logIn } from "./login.ts";
import type { Received } from "./message_framer.ts";
import { MessageReader, type Notification } from "./message_reader.ts";
import { ProtocolError } from "../protocol_error.ts";
import { ServerError } from "./server_error.ts";
import { closeSocket, openSocket, type ServerSocket } from "./socket.ts";
import type { TlsState } from "./tls.ts";
import { utf8Text } from "../utf8.ts";

const never = new AbortController().signal;
const CANCEL_MILLISECONDS = 1000;

/** A row of a simple query: every value as PostgreSQL writes it in text. */
export type TextRow = Readonly<Record<string, string | null>>;

/** Run-time parameters, such as `replication: "database"` or `TimeZone: "UTC"`. */
export type StartupParameters = Readonly<Record<string, string>>;

type Message = Extract<Received, { kind: "message" }>;

/**
 * A session with a server, for one query or copy at a time. Once anything was thrown but a `ServerError` of severity
 * `ERROR`, it is good for nothing but being closed.
 */
export class Connection implements AsyncDisposable {
  readonly address: HostAddress;
  /** What the server has reported of the session (ParameterStatus), as it is now. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The server's process that serves this session. */
  readonly processId: number;
  /** With the process id, what a CancelRequest for this session takes. */
  readonly secretKey: Uint8Array;
  /** Undefined without encryption. */
  readonly tls: TlsState | undefined;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #reader: MessageReader;
  #occupation: string | undefined;

  /** One host, one attempt; `openConnection` is what callers want. */
  static async open(
    address: HostAddress,
    options: ConnectionOptions,
    parameters: StartupParameters,
    signal: AbortSignal,
  ): Promise<Connection> {
    const opened = await openSocket(address, options, signal);
    try {
      const reader = new MessageReader(opened.socket, formatAddress(address));
      opened.socket.resume();
      const login = await logIn(opened, reader, address, options, parameters, signal);
      return new Connection(address, options, opened, reader, login);
    } catch (error) {
      opened.socket.destroy();
      throw error;
    }
  }

  private constructor(
    address: HostAddress,
    options: ConnectionOptions,
    { socket, tls }: ServerSocket,
    reader: MessageReader,
    login: Login,
  ) {
    this.address = address;
    this.tls = tls;
    this.#options = options;
    this.parameters = reader.parameters;
    this.processId = login.processId;
    this.secretKey = login.secretKey;
    this.#socket = socket;
    this.#reader = reader;
  }

  /** As libpq counts: 150020 is 15.20. 0 when the server does not say. */
  get serverVersion(): number {
    const match = /^(\d+)(?:\.(\d+))?/.exec(this.parameters.get("server_version") ?? "");
    return match ? Number(match[1]) * 10_000 + Number(match[2] ?? 0) : 0;
  }

  /**
   * Runs SQL, or a replication command, by the simple query protocol, and returns the rows of the last result.
   * Throws a `ServerError` with the first error. An abort cancels it at the server and closes the connection.
   */
  async query(sql: string, signal: AbortSignal = never): Promise<readonly TextRow[]> {
    using _occupied = this.#occupy("a query");
    this.#socket.write(queryMessage(sql));
    let columns: string[] = [];
    let rows: TextRow[] = [];
    let failure: ServerError | undefined;
    try {
      for (;;) {
        const { type, body } = await this.#takeMessage(signal, failure);
        switch (type) {
          case "T":
            columns = readColumns(body);
            rows = [];
            break;
          case "D":
            rows.push(readRow(body, columns));
            break;
          case "E":
            failure ??= new ServerError(body);
            break;
          case "C":
          case "I":
            break;
          case "Z":
            if (failure) throw failure;
            return rows;
          default:
            throw this.#unexpected(type, "a query");
        }
      }
    } catch (error) {
      if (!(error instanceof ServerError)) await this.#abandon(signal);
      throw error;
    }
  }

  /** Runs a command that the server answers by a copy in both directions: START_REPLICATION. */
  async copyBoth(sql: string, signal: AbortSignal = never): Promise<CopyBoth> {
    const occupied = this.#occupy("a copy");
    this.#socket.write(queryMessage(sql));
    let failure: ServerError | undefined;
    try {
      for (;;) {
        const { type, body } = await this.#takeMessage(signal, failure);
        switch (type) {
          case "W":
            return new CopyBothStream(this.#reader, this.#socket, () => occupied[Symbol.dispose]());
          case "E":
            failure ??= new ServerError(body);
            break;
          case "Z":
            throw failure ?? new Error(`Cannot start a copy: '${sql}' makes none`);
          default:
            throw this.#unexpected(type, "the start of a copy");
        }
      }
    } catch (error) {
      occupied[Symbol.dispose]();
      if (!(error instanceof ServerError)) await this.#abandon(signal);
      throw error;
    }
  }

  /** Who is told what others NOTIFY on the channels that this session has been made to LISTEN to, in order. */
  set onNotification(tell: (notification: Notification) => void) {
    this.#reader.onNotification = tell;
  }

  /**
   * Waits for the session to end, and throws why: a `ServerError` where the server says it, such as 57P01. Throws the
   * signal's reason when that aborts, and the session is then as it was.
   */
  async untilLost(signal: AbortSignal): Promise<never> {
    using _occupied = this.#occupy("a wait");
    const { type, body } = await this.#takeMessage(signal, undefined);
    throw type === "E" ? new ServerError(body) : this.#unexpected(type, "a wait");
  }

  /** Gives the socket, paused, to somebody who speaks the protocol by himself; this object is then done. */
  detach(): Socket {
    this.#occupy("somebody else");
    this.#reader.detach();
    return this.#socket;
  }

  /** Tells the server, and closes; a server that takes no bytes is waited for no longer than a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    await closeSocket(this.#socket, terminate());
  }

  /** Without a cancel, a server that waits for a lock or a snapshot would go on, and notice nothing of our leaving. */
  async #abandon(signal: AbortSignal): Promise<void> {
    if (signal.aborted && !this.#reader.failure) {
      const timeout = new AbortController();
      const timer = setTimeout(() => timeout.abort(), CANCEL_MILLISECONDS);
      await cancelSession(this, this.#options, timeout.signal).catch(() => {});
      clearTimeout(timer);
    }
    this.#socket.destroy();
  }

  /** A server that ends the session says why (`failure`) before it closes. */
  async #takeMessage(signal: AbortSignal, failure: ServerError | undefined): Promise<Message> {
    const received = await this.#reader.take(signal).catch((error) => {
      throw !signal.aborted && failure ? failure : error;
    });
    if (received.kind === "copyData") throw this.#unexpected("d", "a query");
    return received;
  }

  #occupy(occupation: string): Disposable {
    const address = formatAddress(this.address);
    if (this.#occupation) {
      throw new Error(`Cannot use the connection to ${address}: ${this.#occupation} is using it`);
    }
    if (this.#reader.failure) throw this.#reader.failure;
    this.#occupation = occupation;
    return { [Symbol.dispose]: () => this.#occupation = undefined };
  }

  #unexpected(type: string, during: string): ProtocolError {
    const address = formatAddress(this.address);
    return new ProtocolError(
      `Cannot read from ${address}: message '${type}' does not belong to ${during}`,
      0,
    );
  }
}

/** RowDescription 'T': Int16 count, then for each: String name, 18 bytes that text does not need. */
function readColumns(body: Uint8Array): string[] {
  const reader = new ByteReader(body);
  return Array.from({ length: reader.int16() }, () => {
    const name = reader.cString();
    reader.skip(18);
    return name;
  });
}

/** DataRow 'D': Int16 count, then for each: Int32 length (-1 for null), Byte[n] value. */
function readRow(body: Uint8Array, columns: readonly string[]): TextRow {
  const reader = new ByteReader(body);
  const row: Record<string, string | null> = {};
  const count = reader.int16();
  for (const name of columns.slice(0, count)) {
    const length = reader.int32();
    row[name] = length < 0 ? null : utf8Text(reader.view(length));
  }
  return row;
}
