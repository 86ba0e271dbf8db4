import type { Lsn } from "../lsn.ts";

/** 2000-01-01 in milliseconds of the Unix epoch. */
const POSTGRES_EPOCH = 946_684_800_000;

/** What the client tells the server. */
export interface StatusUpdate {
  /** How far it has been received; shows in `pg_stat_replication`. */
  readonly received: Lsn;
  /** Up to here the server need not keep WAL for the slot, and never sends it again; 0 says nothing. */
  readonly confirmed: Lsn;
  readonly replyRequested: boolean;
  /** Milliseconds of the Unix epoch. */
  readonly clock: number;
}

/**
 * ```text
 * Standby status update  Byte1('r')  Int64 written  Int64 flushed  Int64 applied  Int64 clock  Byte1 1 to ask for a reply
 * ```
 * @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-STANDBY-STATUS-UPDATE
 */
export function encodeStatusUpdate({ received, confirmed, replyRequested, clock }: StatusUpdate): Uint8Array {
  const bytes = new Uint8Array(34);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x72); // 'r'
  view.setBigUint64(1, received);
  view.setBigUint64(9, confirmed);
  view.setBigUint64(17, confirmed);
  view.setBigInt64(25, BigInt(Math.round(clock - POSTGRES_EPOCH)) * 1000n);
  view.setUint8(33, replyRequested ? 1 : 0);
  return bytes;
}
