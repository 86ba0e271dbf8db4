import { Buffer } from "node:buffer";
import postgres, { type Sql } from "postgres";
import { logOf } from "../../observe/log.ts";
import { authenticationOk, backendKeyData, parameterStatus, readyForQuery } from "./backend_messages.ts";
import { cancelSession } from "./cancel.ts";
import type { Connection } from "./connection.ts";
import { type ConnectionOptions, formatAddress, type HostAddress } from "./connection_options.ts";
import { LostSessions } from "./lost_sessions.ts";
import { openConnection } from "./open_connection.ts";
import { quoteString } from "./quote.ts";
import { type Handover, SqlSocket } from "./sql_socket.ts";

export type { Sql, TransactionSql } from "postgres";

const log = logOf("postgres");
const END_SECONDS = 2;
const CANCEL_MILLISECONDS = 2_000;

export interface SqlOptions {
  readonly pin?: HostAddress;
  readonly max?: number;
  readonly lockTimeout?: string;
  readonly lost?: LostSessions;
}

/** SQL over connections that end with it. */
export interface OpenSql extends Sql, AsyncDisposable {
  /**
   * From when it is called nothing is sent any more, and all sessions count as lost. Resolves once they are closed and the
   * server was asked to cancel what they were doing, for which it has 2 s.
   */
  giveUp(): Promise<void>;
}

/**
 * postgres.js over connections that `openConnection` opens, so that logging in, TLS and the choice of a host are the
 * same for all SQL. Connects when it is first needed, and again after a loss; a query that was under way then fails.
 * An error of the server has its SQLSTATE as `code`.
 *
 * With `pin`, every connection goes to that host. `max` is how many connections there may be at once, 2 by default.
 * `lockTimeout` is how long a statement waits for a lock before it fails by a 55P03, as PostgreSQL reads it. `lost` is
 * told of every session that is closed, before what was under way fails.
 * `end()` waits for running queries for at most 2 s, if it is not told otherwise; disposing of it does not wait. Either
 * way every connection is then closed.
 */
export function openSql(
  options: ConnectionOptions,
  { pin, max = 2, lockTimeout, lost }: SqlOptions = {},
): OpenSql {
  const address = pin ?? options.hosts[0];
  const sessions = new Map<number, Session>();
  const sockets = new Set<SqlSocket>();
  let isGivenUp = false;

  function makeSocket(): SqlSocket {
    const socket = new SqlSocket(open, cancel);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  }

  async function open(signal: AbortSignal): Promise<Handover> {
    if (isGivenUp) throw new Error("Cannot run SQL: it was given up");
    const connection = await openConnection(options, {}, signal, pin);
    const backend = await prepare(connection, signal).catch(async (error: unknown) => {
      await connection[Symbol.asyncDispose]();
      throw error;
    });
    const session: Session = { connection, lose: () => backend && lost?.add(backend) };
    sessions.set(connection.processId, session);
    const socket = connection.detach();
    socket.once("close", () => {
      session.lose();
      if (sessions.get(connection.processId) === session) sessions.delete(connection.processId);
    });
    return { peer: formatAddress(connection.address), socket, greeting: greetingOf(connection) };
  }

  async function prepare(connection: Connection, signal: AbortSignal) {
    if (lockTimeout !== undefined) {
      await connection.query(`SET lock_timeout = ${quoteString(lockTimeout)}`, signal);
    }
    return lost && await LostSessions.identify(connection, signal);
  }

  async function cancel(request: Uint8Array, signal: AbortSignal): Promise<void> {
    const session = sessions.get(Buffer.from(request).readInt32BE(8));
    if (session) await cancelSession(session.connection, options, signal);
  }

  // Everything that postgres.js would otherwise take from environment variables is said.
  const settings = {
    socket: makeSocket,
    // For its error messages alone.
    host: address?.host ?? "",
    port: address?.port ?? 0,
    database: options.database,
    user: options.user,
    pass: "",
    ssl: false,
    sslnegotiation: null,
    // What `greetingOf` says of the session is that it will do.
    target_session_attrs: "read-write" as const,
    max,
    max_lifetime: null,
    max_pipeline: 100,
    idle_timeout: 0,
    connect_timeout: 0,
    keep_alive: 0,
    backoff: () => 0,
    prepare: false,
    fetch_types: false,
    debug: false,
    connection: { application_name: options.applicationName },
    onnotice: ({ severity, code, message }: postgres.Notice) =>
      log.debug("Notice from the server", { severity, code, message }),
  };
  const sql = postgres(settings);
  const endQueries = sql.end;
  // Without a limit it would wait for ever for a connection that was lost during a query.
  async function end({ timeout = END_SECONDS }: { timeout?: number } = {}): Promise<void> {
    await endQueries({ timeout });
    const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const socket of sockets) socket.destroy(); // it would wait until the server takes what it was sent
    await Promise.all(closed);
  }
  async function giveUp(): Promise<void> {
    isGivenUp = true;
    const left = [...sessions.values()];
    for (const { lose } of left) lose();
    for (const socket of sockets) socket.destroy();
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), CANCEL_MILLISECONDS);
    const cancelled = left.map(({ connection }) => cancelSession(connection, options, timeout.signal));
    await Promise.allSettled([...cancelled, end({ timeout: 0 })]);
    clearTimeout(timer);
  }
  return Object.assign(sql, { end, giveUp, [Symbol.asyncDispose]: () => end({ timeout: 0 }) });
}

interface Session {
  readonly connection: Connection;
  readonly lose: () => void;
}

/**
 * What a server sends to who has logged in: AuthenticationOk, ParameterStatus for each parameter, BackendKeyData,
 * ReadyForQuery. `openConnection` has chosen the host: here every session is one that writes.
 */
function greetingOf({ parameters, processId, secretKey }: Connection): Uint8Array {
  const reported = new Map(parameters);
  reported.set("in_hot_standby", "off").set("default_transaction_read_only", "off");
  return Buffer.concat([
    authenticationOk(),
    ...[...reported].map(([name, value]) => parameterStatus(name, value)),
    backendKeyData(processId, secretKey),
    readyForQuery(),
  ]);
}
