import type { ConnectionOptions, HostAddress } from "./connection_options.ts";
import { cancelRequest } from "./frontend_messages.ts";
import { openSocket } from "./socket.ts";

/** A session, by what it takes to cancel what it is doing. */
export interface Cancellable {
  readonly address: HostAddress;
  readonly processId: number;
  readonly secretKey: Uint8Array;
}

/**
 * Asks the server, over a connection of its own, to cancel what a session is doing. Resolves when the server has taken
 * note, which does not say that anything was cancelled.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export async function cancelSession(
  session: Cancellable,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<void> {
  const { socket } = await openSocket(session.address, options, signal);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.once("close", () => resolve());
  const onAbort = () => void socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  socket.resume();
  socket.end(cancelRequest(session.processId, session.secretKey));
  await closed;
  signal.removeEventListener("abort", onAbort);
}
