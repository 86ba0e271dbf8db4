import { Buffer } from "node:buffer";

// What a client sends. A message is Byte1 type, Int32 length (of itself and what follows), body; those that open a
// connection have no type. https://www.postgresql.org/docs/current/protocol-message-formats.html

const PROTOCOL_VERSION = 196608;
const CANCEL_REQUEST_CODE = 80877102;
const SSL_REQUEST_CODE = 80877103;

/** SSLRequest: Int32 8, Int32 80877103. */
export function sslRequest(): Uint8Array {
  return untyped(int32(SSL_REQUEST_CODE));
}

/** CancelRequest: Int32 length, Int32 80877102, Int32 process id, Byte[n] secret key. */
export function cancelRequest(processId: number, secretKey: Uint8Array): Uint8Array {
  return untyped(int32(CANCEL_REQUEST_CODE), int32(processId), secretKey);
}

/** Whether what would be a StartupMessage is a CancelRequest. */
export function isCancelRequest(message: Uint8Array): boolean {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  return bytes.length >= 8 && bytes.readInt32BE(4) === CANCEL_REQUEST_CODE;
}

/** StartupMessage: Int32 length, Int32 196608, (String name, String value)*, Byte1 zero. */
export function startupMessage(parameters: Readonly<Record<string, string>>): Uint8Array {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [cString(name), cString(value)]);
  return untyped(int32(PROTOCOL_VERSION), ...pairs, Buffer.alloc(1));
}

/** PasswordMessage 'p': String password. */
export function passwordMessage(password: string): Uint8Array {
  return typed("p", cString(password));
}

/** SASLInitialResponse 'p': String mechanism, Int32 length, Byte[n] response. */
export function saslInitialResponse(mechanism: string, response: string): Uint8Array {
  const bytes = Buffer.from(response);
  return typed("p", cString(mechanism), int32(bytes.length), bytes);
}

/** SASLResponse 'p': Byte[n] response. */
export function saslResponse(response: string): Uint8Array {
  return typed("p", Buffer.from(response));
}

/** Query 'Q': String sql. */
export function queryMessage(sql: string): Uint8Array {
  return typed("Q", cString(sql));
}

/** CopyData 'd': Byte[n] payload. */
export function copyData(payload: Uint8Array): Uint8Array {
  return typed("d", payload);
}

/** CopyDone 'c'. */
export function copyDone(): Uint8Array {
  return typed("c");
}

/** Terminate 'X'. */
export function terminate(): Uint8Array {
  return typed("X");
}

function typed(type: string, ...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat([Buffer.from(type), untyped(...parts)]);
}

function untyped(...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([int32(length), ...parts], length);
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

/** Text and a zero byte. Text that holds one itself would be cut there, and end as another text. */
function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new TypeError("Cannot send text to PostgreSQL: it holds a zero byte");
  return Buffer.from(`${text}\0`);
}
