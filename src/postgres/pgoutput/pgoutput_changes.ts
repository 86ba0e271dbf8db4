import type { ByteReader } from "../byte_reader.ts";
import { ProtocolError } from "../protocol_error.ts";
import { readTuple } from "./tuple.ts";
import type {
  Delete,
  Insert,
  LogicalMessage,
  RelationColumn,
  RelationMessage,
  ReplicaIdentity,
  Truncate,
  TypeMessage,
  Update,
} from "../wal_message.ts";

// https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html has these grammars. Inside of a
// stream block an Int32, the xid of the transaction or sub-transaction, follows the byte that names the message.

/** A message that stands between the beginning and the end of a transaction, or is not part of one. */
export type ChangeMessage =
  | Insert
  | Update
  | Delete
  | Truncate
  | LogicalMessage
  | RelationMessage
  | TypeMessage;

export type ChangeLetter = "I" | "U" | "D" | "T" | "M" | "R" | "Y";

export function isChangeLetter(letter: string): letter is ChangeLetter {
  switch (letter) {
    case "I":
    case "U":
    case "D":
    case "T":
    case "M":
    case "R":
    case "Y":
      return true;
    default:
      return false;
  }
}

/** Reads what follows the byte that names the message, and the xid where there is one. */
export function readChange(letter: ChangeLetter, reader: ByteReader, payload: Uint8Array): ChangeMessage {
  switch (letter) {
    case "I":
      return readInsert(reader, payload);
    case "U":
      return readUpdate(reader, payload);
    case "D":
      return readDelete(reader, payload);
    case "T":
      return readTruncate(reader);
    case "M":
      return readMessage(reader);
    case "R":
      return readRelation(reader);
    case "Y":
      return readType(reader);
    default:
      return letter satisfies never;
  }
}

/**
 * ```text
 * Byte1('R')
 * Int32   OID of the relation
 * String  namespace, empty for pg_catalog
 * String  name
 * Int8    replica identity, as pg_class.relreplident
 * Int16   number of columns
 * for each column, generated ones aside:
 *   Int8    flags: 1 for a part of the key
 *   String  name
 *   Int32   OID of the type
 *   Int32   type modifier (atttypmod)
 * ```
 */
function readRelation(reader: ByteReader): RelationMessage {
  return {
    kind: "relation",
    oid: reader.uint32(),
    namespace: readNamespace(reader),
    name: reader.cString(),
    replicaIdentity: readReplicaIdentity(reader),
    columns: readRelationColumns(reader),
  };
}

function readReplicaIdentity(reader: ByteReader): ReplicaIdentity {
  const offset = reader.offset;
  const letter = reader.character();
  switch (letter) {
    case "d":
      return "default";
    case "n":
      return "nothing";
    case "f":
      return "full";
    case "i":
      return "index";
    default:
      throw new ProtocolError(`Cannot read relation: '${letter}' is no replica identity`, offset);
  }
}

function readRelationColumns(reader: ByteReader): RelationColumn[] {
  const offset = reader.offset;
  const count = reader.int16();
  if (count < 0) throw new ProtocolError(`Cannot read relation: it has ${count} columns`, offset);
  const columns: RelationColumn[] = [];
  for (let column = 0; column < count; column++) {
    columns.push({
      partOfKey: (reader.uint8() & 1) !== 0,
      name: reader.cString(),
      typeOid: reader.uint32(),
      typeModifier: reader.int32(),
    });
  }
  return columns;
}

/**
 * ```text
 * Byte1('Y')
 * Int32   OID of the type
 * String  namespace, empty for pg_catalog
 * String  name; of a domain, its base type's
 * ```
 */
function readType(reader: ByteReader): TypeMessage {
  return { kind: "type", oid: reader.uint32(), namespace: readNamespace(reader), name: reader.cString() };
}

function readNamespace(reader: ByteReader): string {
  return reader.cString() || "pg_catalog";
}

/**
 * ```text
 * Byte1('I')
 * Int32       OID of the relation
 * Byte1('N')  the new row follows
 * TupleData
 * ```
 */
function readInsert(reader: ByteReader, payload: Uint8Array): Insert {
  const relationOid = reader.uint32();
  expectNewRow(reader);
  return { kind: "insert", relationOid, new: readTuple(reader, payload) };
}

/**
 * ```text
 * Byte1('U')
 * Int32  OID of the relation
 * one of these two, or neither:
 *   Byte1('K') TupleData  the old key: it changed, and identifies the row
 *   Byte1('O') TupleData  the old row: the relation has REPLICA IDENTITY FULL
 * Byte1('N')  the new row follows
 * TupleData
 * ```
 */
function readUpdate(reader: ByteReader, payload: Uint8Array): Update {
  const relationOid = reader.uint32();
  const offset = reader.offset;
  const letter = reader.character();
  switch (letter) {
    case "N":
      return { kind: "update", relationOid, new: readTuple(reader, payload) };
    case "O": {
      const old = readTuple(reader, payload);
      expectNewRow(reader);
      return { kind: "update", relationOid, old, new: readTuple(reader, payload) };
    }
    case "K": {
      const key = readTuple(reader, payload);
      expectNewRow(reader);
      return { kind: "update", relationOid, key, new: readTuple(reader, payload) };
    }
    default:
      throw new ProtocolError(`Cannot read update: '${letter}' is no row of it`, offset);
  }
}

/**
 * ```text
 * Byte1('D')
 * Int32  OID of the relation
 * one of these two:
 *   Byte1('K') TupleData  the old key
 *   Byte1('O') TupleData  the old row: the relation has REPLICA IDENTITY FULL
 * ```
 */
function readDelete(reader: ByteReader, payload: Uint8Array): Delete {
  const relationOid = reader.uint32();
  const offset = reader.offset;
  const letter = reader.character();
  switch (letter) {
    case "O":
      return { kind: "delete", relationOid, old: readTuple(reader, payload) };
    case "K":
      return { kind: "delete", relationOid, key: readTuple(reader, payload) };
    default:
      throw new ProtocolError(`Cannot read delete: '${letter}' is no row of it`, offset);
  }
}

function expectNewRow(reader: ByteReader): void {
  const offset = reader.offset;
  const letter = reader.character();
  if (letter !== "N") throw new ProtocolError(`Cannot read new row: it begins with '${letter}'`, offset);
}

/**
 * ```text
 * Byte1('T')
 * Int32  number of relations
 * Int8   option bits: 1 CASCADE, 2 RESTART IDENTITY
 * for each relation:
 *   Int32  OID
 * ```
 */
function readTruncate(reader: ByteReader): Truncate {
  const offset = reader.offset;
  const count = reader.int32();
  if (count < 0) throw new ProtocolError(`Cannot read truncate: it has ${count} relations`, offset);
  const options = reader.uint8();
  const relationOids: number[] = [];
  for (let relation = 0; relation < count; relation++) relationOids.push(reader.uint32());
  return {
    kind: "truncate",
    relationOids,
    cascade: (options & 1) !== 0,
    restartIdentity: (options & 2) !== 0,
  };
}

/**
 * ```text
 * Byte1('M')
 * Int8    flags: 1 for a transactional message
 * Int64   LSN of the message
 * String  prefix
 * Int32   length
 * Byten   content
 * ```
 */
function readMessage(reader: ByteReader): LogicalMessage {
  return {
    kind: "message",
    transactional: (reader.uint8() & 1) !== 0,
    lsn: reader.uint64(),
    prefix: reader.cString(),
    content: reader.view(reader.int32()),
  };
}
