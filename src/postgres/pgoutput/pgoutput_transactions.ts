import type { ByteReader } from "../byte_reader.ts";
import { ProtocolError } from "../protocol_error.ts";
import type {
  Begin,
  BeginPrepare,
  Commit,
  CommitPrepared,
  Origin,
  Prepare,
  RollbackPrepared,
  StreamAbort,
  StreamCommit,
  StreamPrepare,
  StreamStart,
  StreamStop,
} from "../wal_message.ts";

// https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html has these grammars.

/** A message that begins, interrupts or ends a transaction, or says where it came from. */
export type TransactionMessage =
  | Begin
  | Commit
  | Origin
  | StreamStart
  | StreamStop
  | StreamCommit
  | StreamAbort
  | BeginPrepare
  | Prepare
  | StreamPrepare
  | CommitPrepared
  | RollbackPrepared;

/** Reads what follows the byte that names the message. */
export function readTransactionMessage(letter: string, reader: ByteReader): TransactionMessage {
  switch (letter) {
    case "B":
      return readBegin(reader);
    case "C":
      return readCommit(reader);
    case "O":
      return readOrigin(reader);
    case "S":
      return readStreamStart(reader);
    case "E":
      return { kind: "streamStop" };
    case "c":
      return readStreamCommit(reader);
    case "A":
      return readStreamAbort(reader);
    case "b":
      return readBeginPrepare(reader);
    case "P":
      return readPrepare(reader);
    case "p":
      return readStreamPrepare(reader);
    case "K":
      return readCommitPrepared(reader);
    case "r":
      return readRollbackPrepared(reader);
    default:
      throw new ProtocolError(`Cannot decode message: pgoutput has no kind '${letter}'`, 0);
  }
}

/**
 * ```text
 * Byte1('B')
 * Int64  final LSN of the transaction
 * Int64  commit timestamp
 * Int32  xid
 * ```
 */
function readBegin(reader: ByteReader): Begin {
  return { kind: "begin", finalLsn: reader.uint64(), commitTime: reader.int64(), xid: reader.uint32() };
}

/**
 * ```text
 * Byte1('C')
 * Int8   flags, unused
 * Int64  LSN of the commit
 * Int64  end LSN of the transaction
 * Int64  commit timestamp
 * ```
 */
function readCommit(reader: ByteReader): Commit {
  return {
    kind: "commit",
    flags: reader.uint8(),
    commitLsn: reader.uint64(),
    endLsn: reader.uint64(),
    commitTime: reader.int64(),
  };
}

/**
 * ```text
 * Byte1('O')
 * Int64   LSN of the commit on the origin server
 * String  name of the origin
 * ```
 */
function readOrigin(reader: ByteReader): Origin {
  return { kind: "origin", commitLsn: reader.uint64(), name: reader.cString() };
}

/**
 * ```text
 * Byte1('S')
 * Int32  xid
 * Int8   1 in the first segment of this transaction, else 0
 * ```
 */
function readStreamStart(reader: ByteReader): StreamStart {
  return { kind: "streamStart", xid: reader.uint32(), firstSegment: reader.uint8() === 1 };
}

/**
 * ```text
 * Byte1('c')
 * Int32  xid
 * Int8   flags, unused
 * Int64  LSN of the commit
 * Int64  end LSN of the transaction
 * Int64  commit timestamp
 * ```
 */
function readStreamCommit(reader: ByteReader): StreamCommit {
  return {
    kind: "streamCommit",
    xid: reader.uint32(),
    flags: reader.uint8(),
    commitLsn: reader.uint64(),
    endLsn: reader.uint64(),
    commitTime: reader.int64(),
  };
}

/**
 * ```text
 * Byte1('A')
 * Int32  xid
 * Int32  xid of the sub-transaction; that of the transaction when all of it was aborted
 * with protocol 4 and streaming 'parallel':
 *   Int64  LSN of the abort
 *   Int64  abort timestamp
 * ```
 */
function readStreamAbort(reader: ByteReader): StreamAbort {
  const xid = reader.uint32();
  const subXid = reader.uint32();
  if (reader.remaining === 0) return { kind: "streamAbort", xid, subXid };
  return { kind: "streamAbort", xid, subXid, abortLsn: reader.uint64(), abortTime: reader.int64() };
}

/**
 * ```text
 * Byte1('b')
 * Int64   LSN of the prepare
 * Int64   end LSN of the prepared transaction
 * Int64   prepare timestamp
 * Int32   xid
 * String  the GID that the user gave
 * ```
 */
function readBeginPrepare(reader: ByteReader): BeginPrepare {
  return { kind: "beginPrepare", ...readPrepared(reader) };
}

/**
 * ```text
 * Byte1('P')
 * Int8  flags, unused
 * the rest as in Begin Prepare
 * ```
 */
function readPrepare(reader: ByteReader): Prepare {
  return { kind: "prepare", flags: reader.uint8(), ...readPrepared(reader) };
}

/**
 * ```text
 * Byte1('p')
 * Int8  flags, unused
 * the rest as in Begin Prepare
 * ```
 */
function readStreamPrepare(reader: ByteReader): StreamPrepare {
  return { kind: "streamPrepare", flags: reader.uint8(), ...readPrepared(reader) };
}

function readPrepared(reader: ByteReader): Omit<BeginPrepare, "kind"> {
  return {
    prepareLsn: reader.uint64(),
    endLsn: reader.uint64(),
    prepareTime: reader.int64(),
    xid: reader.uint32(),
    gid: reader.cString(),
  };
}

/**
 * ```text
 * Byte1('K')
 * Int8    flags, unused
 * Int64   LSN of the commit of the prepared transaction
 * Int64   end LSN of that commit
 * Int64   commit timestamp
 * Int32   xid
 * String  the GID that the user gave
 * ```
 */
function readCommitPrepared(reader: ByteReader): CommitPrepared {
  return {
    kind: "commitPrepared",
    flags: reader.uint8(),
    commitLsn: reader.uint64(),
    endLsn: reader.uint64(),
    commitTime: reader.int64(),
    xid: reader.uint32(),
    gid: reader.cString(),
  };
}

/**
 * ```text
 * Byte1('r')
 * Int8    flags, unused
 * Int64   end LSN of the prepared transaction
 * Int64   end LSN of its rollback
 * Int64   prepare timestamp
 * Int64   rollback timestamp
 * Int32   xid
 * String  the GID that the user gave
 * ```
 */
function readRollbackPrepared(reader: ByteReader): RollbackPrepared {
  return {
    kind: "rollbackPrepared",
    flags: reader.uint8(),
    prepareEndLsn: reader.uint64(),
    rollbackEndLsn: reader.uint64(),
    prepareTime: reader.int64(),
    rollbackTime: reader.int64(),
    xid: reader.uint32(),
    gid: reader.cString(),
  };
}
