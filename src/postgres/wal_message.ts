import type { Lsn } from "./lsn.ts";

/**
 * What pgoutput sends, one member for each message of logical replication protocol 1 to 4.
 * Timestamps are microseconds since 2000-01-01 UTC. `xid` of a row, relation, type, truncate or message is
 * there only inside a stream of an in-progress transaction (protocol 2 and later).
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export type WalMessage =
  | Begin
  | Commit
  | Origin
  | RelationMessage
  | TypeMessage
  | Insert
  | Update
  | Delete
  | Truncate
  | LogicalMessage
  | StreamStart
  | StreamStop
  | StreamCommit
  | StreamAbort
  | BeginPrepare
  | Prepare
  | CommitPrepared
  | RollbackPrepared
  | StreamPrepare;

export interface Begin {
  readonly kind: "begin";
  /** LSN of the transaction's commit record: the `commitLsn` of every change in it. */
  readonly finalLsn: Lsn;
  readonly commitTime: bigint;
  readonly xid: number;
}

export interface Commit {
  readonly kind: "commit";
  readonly flags: number;
  readonly commitLsn: Lsn;
  /** The end of the commit record: confirming it confirms the transaction. */
  readonly endLsn: Lsn;
  readonly commitTime: bigint;
}

export interface Origin {
  readonly kind: "origin";
  readonly commitLsn: Lsn;
  readonly name: string;
}

export type ReplicaIdentity = "default" | "nothing" | "full" | "index";

export interface RelationMessage {
  readonly kind: "relation";
  readonly xid?: number;
  readonly oid: number;
  readonly namespace: string;
  readonly name: string;
  readonly replicaIdentity: ReplicaIdentity;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  readonly name: string;
  readonly partOfKey: boolean;
  readonly typeOid: number;
  readonly typeModifier: number;
}

export interface TypeMessage {
  readonly kind: "type";
  readonly xid?: number;
  readonly oid: number;
  readonly namespace: string;
  readonly name: string;
}

export interface Insert {
  readonly kind: "insert";
  readonly xid?: number;
  readonly relationOid: number;
  readonly new: Tuple;
}

export interface Update {
  readonly kind: "update";
  readonly xid?: number;
  readonly relationOid: number;
  /** The whole old row (replica identity full). */
  readonly old?: Tuple;
  /** The old key alone, sent when the key changed. */
  readonly key?: Tuple;
  readonly new: Tuple;
}

export interface Delete {
  readonly kind: "delete";
  readonly xid?: number;
  readonly relationOid: number;
  readonly old?: Tuple;
  readonly key?: Tuple;
}

export interface Truncate {
  readonly kind: "truncate";
  readonly xid?: number;
  readonly relationOids: readonly number[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

/** A logical decoding message, as `pg_logical_emit_message` writes it. */
export interface LogicalMessage {
  readonly kind: "message";
  readonly xid?: number;
  readonly transactional: boolean;
  /** Where its record ends: the next record, which may be a commit, can begin there. */
  readonly lsn: Lsn;
  readonly prefix: string;
  /** A view, not a copy. */
  readonly content: Uint8Array;
}

export interface StreamStart {
  readonly kind: "streamStart";
  readonly xid: number;
  readonly firstSegment: boolean;
}

export interface StreamStop {
  readonly kind: "streamStop";
}

export interface StreamCommit {
  readonly kind: "streamCommit";
  readonly xid: number;
  readonly flags: number;
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly commitTime: bigint;
}

export interface StreamAbort {
  readonly kind: "streamAbort";
  readonly xid: number;
  /** Equal to `xid` when the whole transaction was aborted. */
  readonly subXid: number;
  /** Protocol 4, streaming 'parallel' only. */
  readonly abortLsn?: Lsn;
  readonly abortTime?: bigint;
}

interface TwoPhase {
  readonly prepareLsn: Lsn;
  readonly endLsn: Lsn;
  readonly prepareTime: bigint;
  readonly xid: number;
  readonly gid: string;
}

export interface BeginPrepare extends TwoPhase {
  readonly kind: "beginPrepare";
}

export interface Prepare extends TwoPhase {
  readonly kind: "prepare";
  readonly flags: number;
}

export interface StreamPrepare extends TwoPhase {
  readonly kind: "streamPrepare";
  readonly flags: number;
}

export interface CommitPrepared {
  readonly kind: "commitPrepared";
  readonly flags: number;
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly commitTime: bigint;
  readonly xid: number;
  readonly gid: string;
}

export interface RollbackPrepared {
  readonly kind: "rollbackPrepared";
  readonly flags: number;
  readonly prepareEndLsn: Lsn;
  readonly rollbackEndLsn: Lsn;
  readonly prepareTime: bigint;
  readonly rollbackTime: bigint;
  readonly xid: number;
  readonly gid: string;
}

/** A row as it was sent; columns are views into the received bytes, found by position. */
export interface Tuple {
  readonly columnCount: number;
  kind(column: number): TupleColumnKind;
  /** The column's bytes, a view; `undefined` for null and unchanged TOAST. */
  bytes(column: number): Uint8Array | undefined;
  /** The column's bytes as UTF-8 text; `undefined` for null and unchanged TOAST. */
  text(column: number): string | undefined;
}

/** `unchanged` is a TOASTed value that the statement did not touch and pgoutput therefore did not send. */
export type TupleColumnKind = "null" | "unchanged" | "text" | "binary";
