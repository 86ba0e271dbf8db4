import { logOf } from "../../observe/log.ts";
import { Connection, type StartupParameters } from "./connection.ts";
import {
  type ConnectionOptions,
  formatAddress,
  type HostAddress,
  isSocketFolder,
  type SslMode,
} from "./connection_options.ts";
import { ServerError } from "./server_error.ts";

const log = logOf("postgres");
const INVALID_AUTHORIZATION = "28000";
/** Servers that have been warned of: once is enough, whatever the number of reconnections. */
const warnedOf = new Set<string>();

/**
 * Opens a session with the first of the options' hosts that can be reached, lets us in and is of the wanted kind
 * (`targetSessionAttrs`). `parameters` are run-time parameters of the session, and `replication: "database"` makes it
 * one for logical replication.
 *
 * With `pin`, only that host is tried: so two connections end on the same server.
 *
 * Throws the host's error when there is one host (a `ServerError` has a SQLSTATE, such as 28P01 or 3D000), an
 * `AggregateError` that names each host's reason when there are several, and the signal's reason.
 */
export async function openConnection(
  options: ConnectionOptions,
  parameters: StartupParameters,
  signal: AbortSignal,
  pin?: HostAddress,
): Promise<Connection> {
  const errors: Error[] = [];
  for (const address of pin ? [pin] : options.hosts) {
    try {
      return await withinTime(
        address,
        options,
        signal,
        (timed) => openAt(address, options, parameters, timed),
      );
    } catch (error) {
      signal.throwIfAborted();
      errors.push(error as Error);
    }
  }
  const [error] = errors;
  if (error && errors.length === 1) throw error;
  const reasons = errors.map(({ message }) => message).join("; ");
  throw new AggregateError(errors, `Cannot connect to any of ${errors.length} hosts: ${reasons}`);
}

/** One host: a session of the wanted kind. */
async function openAt(
  address: HostAddress,
  options: ConnectionOptions,
  parameters: StartupParameters,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = await openPreferringTls(address, options, parameters, signal);
  try {
    const state = await unwantedState(connection, options.targetSessionAttrs, signal);
    if (state) {
      throw new Error(
        `Cannot use ${
          formatAddress(address)
        }: ${state}, and targetSessionAttrs is ${options.targetSessionAttrs}`,
      );
    }
    warnIfUnverified(connection, options.sslMode);
    return connection;
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

/** As libpq does, `prefer` tries again without TLS when the server does not want this user to use it. */
async function openPreferringTls(
  address: HostAddress,
  options: ConnectionOptions,
  parameters: StartupParameters,
  signal: AbortSignal,
): Promise<Connection> {
  try {
    return await Connection.open(address, options, parameters, signal);
  } catch (error) {
    const isRefused = error instanceof ServerError && error.code === INVALID_AUTHORIZATION;
    if (!isRefused || options.sslMode !== "prefer" || isSocketFolder(address.host)) throw error;
    try {
      return await Connection.open(address, { ...options, sslMode: "disable" }, parameters, signal);
    } catch {
      signal.throwIfAborted();
      throw error;
    }
  }
}

/** What makes the server one that is not wanted, if anything does. */
async function unwantedState(
  connection: Connection,
  wanted: ConnectionOptions["targetSessionAttrs"],
  signal: AbortSignal,
): Promise<string | undefined> {
  if (wanted === "any") return undefined;
  let inRecovery = connection.parameters.get("in_hot_standby");
  let readOnly = connection.parameters.get("default_transaction_read_only");
  if (inRecovery === undefined || readOnly === undefined) {
    // PostgreSQL before 14, or something in between that does not pass it on.
    const [row] = await connection.query(
      "SELECT CASE WHEN pg_is_in_recovery() THEN 'on' ELSE 'off' END AS recovery, " +
        "current_setting('default_transaction_read_only') AS read_only",
      signal,
    );
    inRecovery = row?.recovery ?? undefined;
    readOnly = row?.read_only ?? undefined;
  }
  if (inRecovery === "on") return "it is a standby";
  if (wanted === "read-write" && readOnly === "on") return "its sessions are read-only by default";
  return undefined;
}

/** Gives up after the options' `connectTimeout`. */
async function withinTime<T>(
  address: HostAddress,
  { connectTimeout }: ConnectionOptions,
  signal: AbortSignal,
  open: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (!Number.isFinite(connectTimeout)) return await open(signal);
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    const state = `no answer within ${connectTimeout / 1000} s`;
    timeout.abort(new Error(`Cannot connect to ${formatAddress(address)}: ${state}`));
  }, connectTimeout);
  try {
    return await open(AbortSignal.any([signal, timeout.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function warnIfUnverified({ address, tls }: Connection, sslMode: SslMode): void {
  const server = formatAddress(address);
  const isMeant = sslMode !== "prefer" && sslMode !== "require";
  if (isMeant || isLoopback(address.host) || warnedOf.has(server)) return;
  warnedOf.add(server);
  log.warn(
    tls
      ? "The server's identity is not verified; sslMode 'verify-full' does that"
      : "The connection is not encrypted: the server has no TLS for us, and sslMode 'prefer' allows that",
    { server, sslMode },
  );
}

function isLoopback(host: string): boolean {
  return isSocketFolder(host) || host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}
