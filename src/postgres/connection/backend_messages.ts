import { Buffer } from "node:buffer";

// What a server sends, as far as it has to be imitated. A message is Byte1 type, Int32 length (of itself and what
// follows), body. https://www.postgresql.org/docs/current/protocol-message-formats.html

/** AuthenticationOk 'R': Int32 0. */
export function authenticationOk(): Uint8Array {
  return encodeMessage("R", int32(0));
}

/** ParameterStatus 'S': String name, String value. */
export function parameterStatus(name: string, value: string): Uint8Array {
  return encodeMessage("S", Buffer.from(`${name}\0${value}\0`));
}

/** BackendKeyData 'K': Int32 process id, Byte[n] secret key. */
export function backendKeyData(processId: number, secretKey: Uint8Array): Uint8Array {
  return encodeMessage("K", int32(processId), secretKey);
}

/** ReadyForQuery 'Z': Byte1 'I', idle. */
export function readyForQuery(): Uint8Array {
  return encodeMessage("Z", Buffer.from("I"));
}

/** A message of any type. */
export function encodeMessage(type: string, ...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(type), int32(length), ...parts]);
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
