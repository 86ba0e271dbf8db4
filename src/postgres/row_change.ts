import type { Lsn } from "./lsn.ts";
import type { LogicalMessage, RelationColumn, ReplicaIdentity, Tuple } from "./wal_message.ts";

/**
 * Orders changes: commit LSN first, then the index of the change's row message among all Insert, Update, Delete,
 * Truncate and Message messages of its transaction, as sent.
 */
export interface Position {
  readonly commitLsn: Lsn;
  readonly ordinal: number;
}

/** The committed transaction that a change belongs to; one object shared by all its changes. */
export interface Transaction {
  readonly xid: number;
  readonly commitLsn: Lsn;
  /** Microseconds since 2000-01-01 UTC. */
  readonly commitTime: bigint;
}

/** A table, with the names of its columns' types where the server sent them (it does for all but built-in ones). */
export interface Relation {
  readonly oid: number;
  readonly namespace: string;
  readonly name: string;
  readonly replicaIdentity: ReplicaIdentity;
  readonly columns: readonly RelationColumn[];
  /** By column: `ag_catalog.agtype`, or undefined for a built-in type. */
  readonly typeNames: readonly (string | undefined)[];
}

/** A pgoutput row message joined to its relation. */
export type RowChange =
  | { readonly kind: "insert"; readonly relation: Relation; readonly ordinal: number; readonly new: Tuple }
  | {
    readonly kind: "update";
    readonly relation: Relation;
    readonly ordinal: number;
    readonly old?: Tuple;
    readonly key?: Tuple;
    readonly new: Tuple;
  }
  | {
    readonly kind: "delete";
    readonly relation: Relation;
    readonly ordinal: number;
    readonly old?: Tuple;
    readonly key?: Tuple;
  };

/**
 * What the replication stream gives, in commit order; only what is committed ever appears. Rows, truncations and
 * transactional messages stand between their transaction's `begin` and `commit`.
 */
export type Replicated =
  | { readonly kind: "begin"; readonly transaction: Transaction }
  | RowChange
  | { readonly kind: "truncate"; readonly relations: readonly Relation[]; readonly ordinal: number }
  | { readonly kind: "message"; readonly message: LogicalMessage; readonly ordinal: number }
  /** All before it may be confirmed as `lsn`: a transaction's end, a message outside one, or a keepalive while idle. */
  | { readonly kind: "settle"; readonly lsn: Lsn; readonly endsTransaction: boolean };
