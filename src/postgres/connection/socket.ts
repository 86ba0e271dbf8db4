import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { logOf } from "../../observe/log.ts";
import {
  formatAddress,
  type HostAddress,
  isSocketFolder,
  socketPath,
  type SslMode,
} from "./connection_options.ts";
import { sslRequest } from "./frontend_messages.ts";
import { ProtocolError } from "../protocol_error.ts";
import { type Certificates, readCertificates, startTls, type TlsOptions, type TlsState } from "./tls.ts";

const log = logOf("postgres");
const KEEP_ALIVE_MILLISECONDS = 30_000;
const CLOSE_MILLISECONDS = 1000;

/** A connection to a server that nothing has been said on but what negotiates TLS. */
export interface ServerSocket {
  readonly socket: Socket;
  /** There when the connection is encrypted. */
  readonly tls?: TlsState;
}

/**
 * Connects to one server, with TLS as `sslMode` says. As in libpq, `prefer` goes on without where the server has no
 * TLS or the handshake fails, and a Unix socket never has any.
 *
 * The socket is paused, with TCP keep-alive after 30 s of silence. An abort closes it and rejects with the signal's
 * reason; after resolving, the signal has no more to say.
 */
export async function openSocket(
  address: HostAddress,
  options: TlsOptions,
  signal: AbortSignal,
): Promise<ServerSocket> {
  if (options.sslMode === "disable" || isSocketFolder(address.host)) {
    return { socket: await connectTo(address, signal) };
  }
  const certificates = await readCertificates(options);
  const socket = await connectTo(address, signal);
  try {
    const encrypted = encrypt(socket, address, options.sslMode, certificates);
    return await untilAborted(encrypted, socket, `Cannot use TLS with ${formatAddress(address)}`, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (options.sslMode !== "prefer") throw error;
    log.debug("Connecting without TLS, because it failed", { address: formatAddress(address), error });
    return { socket: await connectTo(address, signal) };
  }
}

/** Sends the last bytes and closes; a server that does not take them is waited for no longer than a second. */
export async function closeSocket(socket: Socket, lastBytes: Uint8Array): Promise<void> {
  if (socket.closed) return;
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  const timer = setTimeout(() => socket.destroy(), CLOSE_MILLISECONDS);
  if (!socket.destroyed) socket.end(lastBytes, () => socket.destroy());
  await closed;
  clearTimeout(timer);
}

async function connectTo(address: HostAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = isSocketFolder(address.host)
    ? connect({ path: socketPath(address) })
    : connect({ ...address });
  // An error between two listeners must not end the program; whoever listens then sees the socket closed.
  socket.on("error", () => {});
  const connected = new Promise<void>((resolve) => socket.once("connect", resolve));
  await untilAborted(connected, socket, `Cannot connect to ${formatAddress(address)}`, signal);
  socket.pause();
  if (!isSocketFolder(address.host)) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS);
  }
  return socket;
}

/**
 * SSLRequest; the server answers Byte1 'S' and expects a handshake, or 'N' and goes on in plain text.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
async function encrypt(
  socket: Socket,
  address: HostAddress,
  sslMode: SslMode,
  certificates: Certificates,
): Promise<ServerSocket> {
  const answer = new Promise<Buffer>((resolve) => socket.once("data", resolve));
  socket.resume();
  socket.write(sslRequest());
  const bytes = await answer;
  socket.pause();
  const action = `Cannot use TLS with ${formatAddress(address)}`;
  // More than the answer, before there is any encryption, was put there by somebody in between (CVE-2021-23222).
  if (bytes.length !== 1) throw new ProtocolError(`${action}: unencrypted bytes follow the answer`, 1);
  switch (String.fromCharCode(bytes[0] as number)) {
    case "S":
      return await startTls(socket, address, sslMode, certificates);
    case "N":
      if (sslMode === "prefer") return { socket };
      throw new Error(`${action}: the server does not support it, and sslMode is ${sslMode}`);
    case "E":
      // Its text is not passed on: without encryption anybody could have written it.
      throw new Error(`${action}: the server answered with an error`);
    default:
      throw new ProtocolError(`${action}: this is not PostgreSQL's answer`, 0);
  }
}

/** The promise; if the socket fails or the signal aborts first, a rejection, and the socket is destroyed. */
async function untilAborted<T>(
  promise: Promise<T>,
  socket: Socket,
  action: string,
  signal: AbortSignal,
): Promise<T> {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  const onError = (error: Error) => reject(new Error(`${action}: ${reasonOf(error)}`, { cause: error }));
  const onClose = () => reject(new Error(`${action}: the server closed the connection`));
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("error", onError);
  socket.once("close", onClose);
  try {
    return await Promise.race([promise, failure]);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.off("error", onError);
    socket.off("close", onClose);
  }
}

/** A host with several addresses fails with one error for each of them, and no message of its own. */
function reasonOf(error: Error): string {
  return error instanceof AggregateError ? error.errors.map(reasonOf).join(", ") : error.message;
}
