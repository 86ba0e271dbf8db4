import type { Lsn } from "../lsn.ts";
import type { SkippedRow } from "./pgoutput_decoder.ts";
import { ProtocolError } from "../protocol_error.ts";
import { type CountedMessage, RelationCache } from "./relation_cache.ts";
import type { Relation, Replicated, Transaction } from "../row_change.ts";
import { StreamedTransaction } from "./streamed_transaction.ts";
import type { LogicalMessage, StreamAbort, StreamCommit, StreamStart, WalMessage } from "../wal_message.ts";

/**
 * Makes committed changes of the messages of one connection: joins rows to their tables, numbers them, and holds
 * streamed transactions until they commit. A message that cannot stand where it does is a `ProtocolError`; nothing
 * may be pushed after one.
 */
export class TransactionAssembler {
  readonly #interesting: (relation: Relation) => boolean;
  readonly #relations: RelationCache;
  /** Of the transaction between Begin and Commit. */
  #transaction: Transaction | undefined;
  #nextOrdinal = 0;
  /** Begun and not ended, by xid. */
  readonly #streamed = new Map<number, StreamedTransaction>();
  /** Of the stream block between Stream Start and Stream Stop. */
  #block: StreamedTransaction | undefined;

  /**
   * Changes of tables that are not `interesting` are left out, but take their ordinals. It is asked once for each
   * description of a table, and must not throw.
   */
  constructor(interesting: (relation: Relation) => boolean = () => true) {
    this.#interesting = interesting;
    this.#relations = new RelationCache(interesting);
  }

  /** Whether a transaction has begun and not ended; streamed ones do not count until they commit. */
  get isInTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  /** Whether the next row message, when it is of this relation, may matter; if not, a `SkippedRow` does for it. */
  wants(relationOid: number): boolean {
    return (this.#block?.relations ?? this.#relations).wants(relationOid);
  }

  /** Appends what follows from the message to `out`. */
  push(message: WalMessage | SkippedRow, out: Replicated[]): void {
    switch (message.kind) {
      case "insert":
      case "update":
      case "delete":
      case "truncate":
      case "skippedRow":
        return this.#count(message, out);
      case "message":
        return message.transactional ? this.#count(message, out) : this.#emitMessage(message, out);
      case "relation":
      case "type":
        return (this.#block?.relations ?? this.#relations).learn(message);
      case "origin":
        return;
      case "begin": {
        this.#expectBetweenTransactions(message.kind);
        const { xid, finalLsn: commitLsn, commitTime } = message;
        this.#transaction = { xid, commitLsn, commitTime };
        this.#nextOrdinal = 0;
        out.push({ kind: "begin", transaction: this.#transaction });
        return;
      }
      case "commit":
        return this.#commit(message.commitLsn, message.endLsn, out);
      case "streamStart":
        return this.#startBlock(message);
      case "streamStop":
        if (!this.#block) throw misplaced(message.kind, "outside of a stream block");
        this.#block = undefined;
        return;
      case "streamCommit":
        return this.#commitStreamed(message, out);
      case "streamAbort":
        return this.#abortStreamed(message);
      case "beginPrepare":
      case "prepare":
      case "streamPrepare":
      case "commitPrepared":
      case "rollbackPrepared":
        throw misplaced(message.kind, "two-phase decoding was not asked for, and the slot must not have it");
      default:
        return message satisfies never;
    }
  }

  #count(message: CountedMessage | SkippedRow, out: Replicated[]): void {
    if (this.#block) return this.#block.hold(message);
    if (!this.#transaction) throw misplaced(message.kind, "outside of a transaction");
    const ordinal = this.#nextOrdinal++;
    if (message.kind === "skippedRow") return;
    const change = this.#relations.join(message, ordinal);
    if (change) out.push(change);
  }

  /**
   * A message outside of any transaction is sent when it is read from the log, which is never while another transaction
   * is being sent. All that committed before it has been sent, so it can be confirmed by itself: as its `lsn`, which
   * is where its record ends. The next record may begin there and be the commit of a transaction, which would be lost
   * if one byte more was confirmed.
   */
  #emitMessage(message: LogicalMessage, out: Replicated[]): void {
    this.#expectBetweenTransactions(message.kind);
    out.push({ kind: "message", message, ordinal: 0 });
    out.push({ kind: "settle", lsn: message.lsn, endsTransaction: false });
  }

  #commit(commitLsn: Lsn, endLsn: Lsn, out: Replicated[]): void {
    if (!this.#transaction) throw misplaced("commit", "outside of a transaction");
    if (commitLsn !== this.#transaction.commitLsn) throw misplaced("commit", "it ends another transaction");
    this.#transaction = undefined;
    out.push({ kind: "settle", lsn: endLsn, endsTransaction: true });
  }

  #startBlock({ kind, xid, firstSegment }: StreamStart): void {
    this.#expectBetweenTransactions(kind);
    // A first segment replaces what there may be: the server then begins that xid anew.
    if (firstSegment) this.#streamed.set(xid, new StreamedTransaction(xid, this.#interesting));
    this.#block = this.#streamedTransaction(kind, xid);
  }

  #commitStreamed({ kind, xid, commitLsn, endLsn, commitTime }: StreamCommit, out: Replicated[]): void {
    this.#expectBetweenTransactions(kind);
    const streamed = this.#streamedTransaction(kind, xid);
    this.#streamed.delete(xid);
    // pgoutput counts the tables that a streamed transaction described as known from its commit on.
    this.#relations.adopt(streamed.relations);
    out.push({ kind: "begin", transaction: { xid, commitLsn, commitTime } });
    for (const change of streamed.changes()) out.push(change);
    out.push({ kind: "settle", lsn: endLsn, endsTransaction: true });
  }

  #abortStreamed({ kind, xid, subXid }: StreamAbort): void {
    this.#expectBetweenTransactions(kind);
    if (subXid === xid) this.#streamed.delete(xid);
    else this.#streamed.get(xid)?.abort(subXid);
  }

  #streamedTransaction(kind: WalMessage["kind"], xid: number): StreamedTransaction {
    const streamed = this.#streamed.get(xid);
    if (!streamed) throw misplaced(kind, `the transaction ${xid} has not begun`);
    return streamed;
  }

  #expectBetweenTransactions(kind: WalMessage["kind"]): void {
    if (this.#transaction) throw misplaced(kind, `inside of the transaction ${this.#transaction.xid}`);
    if (this.#block) throw misplaced(kind, `inside of a stream block of the transaction ${this.#block.xid}`);
  }
}

/** At byte 0, because what is wrong is the message's kind. */
function misplaced(kind: WalMessage["kind"] | "skippedRow", state: string): ProtocolError {
  return new ProtocolError(`Cannot take message '${kind}': ${state}`, 0);
}
