import { Authentication } from "./authentication.ts";
import { ByteReader } from "../byte_reader.ts";
import { type ConnectionOptions, formatAddress, type HostAddress } from "./connection_options.ts";
import { startupMessage } from "./frontend_messages.ts";
import { LARGEST_MESSAGE } from "./message_framer.ts";
import { LoginError } from "./login_error.ts";
import type { MessageReader } from "./message_reader.ts";
import { findPassword } from "./password.ts";
import { ProtocolError } from "../protocol_error.ts";
import { ServerError } from "./server_error.ts";
import type { ServerSocket } from "./socket.ts";

/** What the server says of the session it has opened. */
export interface Login {
  readonly processId: number;
  /** What a CancelRequest proves itself by. */
  readonly secretKey: Uint8Array;
}

/**
 * From the startup message to the first ReadyForQuery. `parameters` are run-time parameters of the session.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function logIn(
  { socket, tls }: ServerSocket,
  reader: MessageReader,
  address: HostAddress,
  options: ConnectionOptions,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Login> {
  const action = `Cannot log in to ${formatAddress(address)} as "${options.user}"`;
  const authentication = new Authentication({
    user: options.user,
    password: () => findPassword(options, address),
    channelBinding: options.channelBinding,
    tls,
  });
  let processId = 0;
  let secretKey = new Uint8Array(0);

  socket.write(startupMessage({
    user: options.user,
    database: options.database,
    application_name: options.applicationName,
    client_encoding: "UTF8",
    ...(options.serverOptions === undefined ? {} : { options: options.serverOptions }),
    ...parameters,
  }));
  for (;;) {
    const received = await reader.take(signal);
    if (received.kind === "copyData") throw new ProtocolError(`${action}: the server sends data unasked`, 0);
    const { type, body } = received;
    switch (type) {
      case "R": {
        let answer: Uint8Array | undefined;
        try {
          answer = await authentication.answer(body);
        } catch (error) {
          throw new LoginError(`${action}: ${(error as Error).message}`, { cause: error });
        }
        if (answer) socket.write(answer);
        break;
      }
      case "E":
        throw new ServerError(body, action);
      case "K": {
        const key = new ByteReader(body);
        processId = key.int32();
        secretKey = key.rest().slice();
        break;
      }
      case "Z":
        if (!authentication.isDone) throw new ProtocolError(`${action}: the server skips authentication`, 0);
        reader.messageLimit = LARGEST_MESSAGE;
        return { processId, secretKey };
      case "v": // NegotiateProtocolVersion: the server knows less than we asked for, and we asked for nothing optional.
        break;
      default:
        throw new ProtocolError(`${action}: the server sends '${type}', which is no part of a login`, 0);
    }
  }
}
