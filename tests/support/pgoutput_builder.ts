import type { ReplicaIdentity, Tuple, TupleColumnKind, WalMessage } from "../../src/postgres/wal_message.ts";
import { ByteWriter } from "./byte_writer.ts";

/** A column of a row: text, bytes (sent as binary), null, or `undefined` for unchanged TOAST. */
export type ColumnValue = string | Uint8Array | null | undefined;

/** A message whose rows are written as arrays of their columns. */
export type BuiltMessage = Built<WalMessage>;

type Built<Message> = Message extends unknown ? { readonly [Key in keyof Message]: BuiltField<Message[Key]> }
  : never;
type BuiltField<Field> = Field extends Tuple ? readonly ColumnValue[] : Field;

const encoder = new TextEncoder();
const replicaIdentityLetters: Record<ReplicaIdentity, string> = {
  default: "d",
  nothing: "n",
  full: "f",
  index: "i",
};

/**
 * Writes a message as pgoutput does: what `PgoutputDecoder` reads, without the header of an XLogData message. An
 * `xid` that is given is written, as inside of a stream block.
 *
 *     encodeWalMessage({ kind: "insert", relationOid: 1, new: ["844424930131969", '{"$dtId": "room-a"}'] })
 */
export function encodeWalMessage(message: BuiltMessage): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  switch (message.kind) {
    case "begin":
      return writer.character("B").int64(message.finalLsn).int64(message.commitTime).int32(message.xid)
        .finish();
    case "commit":
      writer.character("C").uint8(message.flags);
      return writer.int64(message.commitLsn).int64(message.endLsn).int64(message.commitTime).finish();
    case "origin":
      return writer.character("O").int64(message.commitLsn).cString(message.name).finish();
    case "relation":
      start(writer, "R", message.xid).int32(message.oid).cString(namespaceAsSent(message.namespace));
      writer.cString(message.name).character(replicaIdentityLetters[message.replicaIdentity]);
      writer.int16(message.columns.length);
      for (const column of message.columns) {
        writer.uint8(column.partOfKey ? 1 : 0).cString(column.name);
        writer.int32(column.typeOid).int32(column.typeModifier);
      }
      return writer.finish();
    case "type":
      start(writer, "Y", message.xid).int32(message.oid).cString(namespaceAsSent(message.namespace));
      return writer.cString(message.name).finish();
    case "insert":
      start(writer, "I", message.xid).int32(message.relationOid);
      return tuple(writer, "N", message.new).finish();
    case "update":
      start(writer, "U", message.xid).int32(message.relationOid);
      if (message.key) tuple(writer, "K", message.key);
      if (message.old) tuple(writer, "O", message.old);
      return tuple(writer, "N", message.new).finish();
    case "delete":
      start(writer, "D", message.xid).int32(message.relationOid);
      if (message.key) tuple(writer, "K", message.key);
      if (message.old) tuple(writer, "O", message.old);
      return writer.finish();
    case "truncate":
      start(writer, "T", message.xid).int32(message.relationOids.length);
      writer.uint8((message.cascade ? 1 : 0) | (message.restartIdentity ? 2 : 0));
      for (const oid of message.relationOids) writer.int32(oid);
      return writer.finish();
    case "message":
      start(writer, "M", message.xid).uint8(message.transactional ? 1 : 0).int64(message.lsn);
      return writer.cString(message.prefix).counted(message.content).finish();
    case "streamStart":
      return writer.character("S").int32(message.xid).uint8(message.firstSegment ? 1 : 0).finish();
    case "streamStop":
      return writer.character("E").finish();
    case "streamCommit":
      writer.character("c").int32(message.xid).uint8(message.flags);
      return writer.int64(message.commitLsn).int64(message.endLsn).int64(message.commitTime).finish();
    case "streamAbort":
      writer.character("A").int32(message.xid).int32(message.subXid);
      if (message.abortLsn !== undefined && message.abortTime !== undefined) {
        writer.int64(message.abortLsn).int64(message.abortTime);
      }
      return writer.finish();
    case "beginPrepare":
      return twoPhase(writer.character("b"), message).finish();
    case "prepare":
      return twoPhase(writer.character("P").uint8(message.flags), message).finish();
    case "streamPrepare":
      return twoPhase(writer.character("p").uint8(message.flags), message).finish();
    case "commitPrepared":
      writer.character("K").uint8(message.flags).int64(message.commitLsn).int64(message.endLsn);
      return writer.int64(message.commitTime).int32(message.xid).cString(message.gid).finish();
    case "rollbackPrepared":
      writer.character("r").uint8(message.flags).int64(message.prepareEndLsn).int64(message.rollbackEndLsn);
      writer.int64(message.prepareTime).int64(message.rollbackTime);
      return writer.int32(message.xid).cString(message.gid).finish();
    default:
      return message satisfies never;
  }
}

/** A decoded message with its rows written as arrays, as it would be given to `encodeWalMessage`. */
export function builtOf(message: WalMessage): BuiltMessage {
  switch (message.kind) {
    case "insert":
      return { ...message, new: columnsOf(message.new) };
    case "update":
    case "delete": {
      const { old, key, ...others } = message;
      const rows = { ...(old && { old: columnsOf(old) }), ...(key && { key: columnsOf(key) }) };
      if (others.kind === "delete") return { ...others, ...rows };
      return { ...others, ...rows, new: columnsOf(others.new) };
    }
    default:
      return message;
  }
}

/** A row without bytes behind it, for tests of what reads rows. */
export class BuiltTuple implements Tuple {
  readonly #columns: readonly ColumnValue[];

  constructor(columns: readonly ColumnValue[]) {
    this.#columns = columns;
  }

  get columnCount(): number {
    return this.#columns.length;
  }

  kind(column: number): TupleColumnKind {
    const value = this.#columns[column];
    if (value === null) return "null";
    if (value === undefined) return "unchanged";
    return typeof value === "string" ? "text" : "binary";
  }

  bytes(column: number): Uint8Array | undefined {
    const value = this.#columns[column] ?? undefined;
    return typeof value === "string" ? encoder.encode(value) : value;
  }

  text(column: number): string | undefined {
    const value = this.#columns[column] ?? undefined;
    return typeof value === "string" || value === undefined ? value : new TextDecoder().decode(value);
  }
}

/** The columns of a row as they would be given to `encodeWalMessage`. */
export function columnsOf(tuple: Tuple): ColumnValue[] {
  return Array.from({ length: tuple.columnCount }, (_, column) => {
    const kind = tuple.kind(column);
    switch (kind) {
      case "null":
        return null;
      case "unchanged":
        return undefined;
      case "text":
        return tuple.text(column);
      case "binary":
        return tuple.bytes(column);
      default:
        return kind satisfies never;
    }
  });
}

function start(writer: ByteWriter, letter: string, xid: number | undefined): ByteWriter {
  writer.character(letter);
  return xid === undefined ? writer : writer.int32(xid);
}

function tuple(writer: ByteWriter, letter: string, columns: readonly ColumnValue[]): ByteWriter {
  writer.character(letter).int16(columns.length);
  for (const value of columns) {
    if (value === null) writer.character("n");
    else if (value === undefined) writer.character("u");
    else if (typeof value === "string") writer.character("t").counted(encoder.encode(value));
    else writer.character("b").counted(value);
  }
  return writer;
}

function twoPhase(
  writer: ByteWriter,
  message: BuiltMessage & { readonly kind: "beginPrepare" | "prepare" | "streamPrepare" },
): ByteWriter {
  writer.int64(message.prepareLsn).int64(message.endLsn).int64(message.prepareTime);
  return writer.int32(message.xid).cString(message.gid);
}

/** pgoutput sends nothing for the schema whose name would be in most messages. */
function namespaceAsSent(namespace: string): string {
  return namespace === "pg_catalog" ? "" : namespace;
}
