import assert from "node:assert/strict";
import { ProtocolError } from "../../src/postgres/protocol_error.ts";
import type { Relation, Replicated } from "../../src/postgres/row_change.ts";
import { TransactionAssembler } from "../../src/postgres/pgoutput/transaction_assembler.ts";
import type { RelationMessage, WalMessage } from "../../src/postgres/wal_message.ts";
import { BuiltTuple, type ColumnValue } from "./pgoutput_builder.ts";

// Small messages for tests of what is made of them: transaction 7, and streamed ones by xid.

export const begin = { kind: "begin", finalLsn: 100n, commitTime: 5n, xid: 7 } satisfies WalMessage;
export const commit = {
  kind: "commit",
  flags: 0,
  commitLsn: 100n,
  endLsn: 120n,
  commitTime: 5n,
} satisfies WalMessage;
export const streamStop: WalMessage = { kind: "streamStop" };

export function relation(oid: number, name: string, columns = 1): RelationMessage {
  return {
    kind: "relation",
    oid,
    namespace: "graph",
    name,
    replicaIdentity: "full",
    columns: Array.from({ length: columns }, (_, index) => (
      { name: `c${index}`, partOfKey: false, typeOid: 25 + index, typeModifier: -1 }
    )),
  };
}

export function insert(relationOid: number, ...columns: ColumnValue[]): WalMessage {
  return { kind: "insert", relationOid, new: new BuiltTuple(columns) };
}

export function message(transactional: boolean, lsn = 50n): WalMessage {
  return { kind: "message", transactional, lsn, prefix: "p", content: new Uint8Array() };
}

export function streamStart(xid: number, firstSegment = true): WalMessage {
  return { kind: "streamStart", xid, firstSegment };
}

export function streamCommit(xid: number, commitLsn = 200n): WalMessage {
  return { kind: "streamCommit", xid, flags: 0, commitLsn, endLsn: commitLsn + 20n, commitTime: 6n };
}

export function streamAbort(xid: number, subXid = xid): WalMessage {
  return { kind: "streamAbort", xid, subXid };
}

/** What a `TransactionAssembler` makes of the messages. */
export function assemble(
  messages: readonly WalMessage[],
  interesting?: (relation: Relation) => boolean,
): Replicated[] {
  const assembler = new TransactionAssembler(interesting);
  const out: Replicated[] = [];
  for (const message of messages) assembler.push(message, out);
  return out;
}

/** Expects that the last of the messages, and none before it, is refused at that offset. */
export function refuses(text: RegExp, offset: number, ...messages: WalMessage[]): void {
  assemble(messages.slice(0, -1));
  assert.throws(() => assemble(messages), (error: unknown) => {
    assert.equal(error instanceof ProtocolError, true, `${error}`);
    assert.equal((error as ProtocolError).offset, offset);
    assert.match((error as ProtocolError).message, text);
    return true;
  });
}
