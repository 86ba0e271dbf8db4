import { ByteReader } from "../byte_reader.ts";
import type { Lsn } from "../lsn.ts";
import { ProtocolError } from "../protocol_error.ts";

/** What a server that streams sends inside CopyData, adjacent XLogData messages taken together. */
export type WalSenderMessage =
  | {
    readonly kind: "payloads";
    /** One pgoutput message each, views. */
    readonly payloads: readonly Uint8Array[];
    /** The furthest position that any of them stands for; 0 if all are rows, which stand inside a transaction. */
    readonly reached: Lsn;
  }
  | {
    readonly kind: "keepalive";
    /** How far the server has read its WAL; everything before it that concerns this stream has been sent. */
    readonly walEnd: Lsn;
    readonly replyRequested: boolean;
  };

const X_LOG_DATA = 0x77; // 'w'
const KEEPALIVE = 0x6b; // 'k'
const HEADER_LENGTH = 25;
const INSERT = 0x49; // 'I'
const UPDATE = 0x55; // 'U'
const REMOVE = 0x44; // 'D'

/**
 * ```text
 * XLogData           Byte1('w')  Int64 start  Int64 end  Int64 clock  Byte[n] payload
 * Primary keepalive  Byte1('k')  Int64 WAL end  Int64 clock  Byte1 1 if a reply is wanted at once
 * ```
 * The start of a commit's XLogData is the commit's end LSN, and that of a message outside a transaction its own LSN. It
 * is read of all but rows, so that a row costs no bigint.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION
 */
export function* readWalSenderMessages(copyData: readonly Uint8Array[]): Iterable<WalSenderMessage> {
  let payloads: Uint8Array[] = [];
  let reached = 0n;
  for (const message of copyData) {
    if (message[0] === X_LOG_DATA && message.length > HEADER_LENGTH) {
      payloads.push(message.subarray(HEADER_LENGTH));
      const type = message[HEADER_LENGTH];
      if (type !== INSERT && type !== UPDATE && type !== REMOVE) {
        const start = new ByteReader(message.subarray(1)).uint64();
        if (start > reached) reached = start;
      }
    } else if (message[0] === KEEPALIVE) {
      if (payloads.length > 0) yield { kind: "payloads", payloads, reached };
      payloads = [];
      reached = 0n;
      yield readKeepalive(message);
    } else {
      const type = message.length === 0
        ? "an empty message"
        : `message '${String.fromCharCode(message[0] as number)}'`;
      throw new ProtocolError(`Cannot read the replication stream: ${type} of ${message.length} bytes`, 0);
    }
  }
  if (payloads.length > 0) yield { kind: "payloads", payloads, reached };
}

function readKeepalive(message: Uint8Array): WalSenderMessage {
  const reader = new ByteReader(message.subarray(1));
  const walEnd = reader.uint64();
  reader.skip(8);
  return { kind: "keepalive", walEnd, replyRequested: reader.uint8() !== 0 };
}
