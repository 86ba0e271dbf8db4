import { ByteReader } from "../byte_reader.ts";
import { isChangeLetter, readChange } from "./pgoutput_changes.ts";
import { readTransactionMessage } from "./pgoutput_transactions.ts";
import type { WalMessage } from "../wal_message.ts";

/** An insert, update or delete that nobody wants; its row was not looked at. */
export interface SkippedRow {
  readonly kind: "skippedRow";
  readonly xid?: number;
}

export interface PgoutputDecoderOptions {
  /** Asked with the relation's OID for each row message, before its row is read; without it all are wanted. */
  readonly wants?: (relationOid: number) => boolean;
}

/**
 * Decodes what the output plugin pgoutput sends, with logical replication protocol 1 to 4: the payload of one XLogData
 * message, without that message's header, is one message. The payloads of one connection belong to one decoder, in
 * the order in which they came, because inside of a stream block messages are written in another way.
 *
 * Messages keep views of their payload. Inside of a stream block it is copied first: such a message is held until its
 * transaction ends, and must not keep everything alive that arrived with it.
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export class PgoutputDecoder {
  readonly #wants: PgoutputDecoderOptions["wants"];
  readonly #reader = new ByteReader();
  #inStream = false;

  constructor(options: PgoutputDecoderOptions = {}) {
    this.#wants = options.wants;
  }

  /** Throws nothing but a `ProtocolError`, whose offset is into the payload. */
  decode(payload: Uint8Array): WalMessage | SkippedRow {
    const bytes = this.#inStream ? payload.slice() : payload;
    const reader = this.#reader.reset(bytes);
    const letter = reader.character();

    if (!isChangeLetter(letter)) {
      const message = readTransactionMessage(letter, reader);
      reader.expectEnd();
      if (message.kind === "streamStart") this.#inStream = true;
      if (message.kind === "streamStop") this.#inStream = false;
      return message;
    }

    const xid = this.#inStream ? reader.uint32() : undefined;
    const isRow = letter === "I" || letter === "U" || letter === "D";
    if (isRow && this.#wants?.(reader.peekUint32()) === false) {
      return xid === undefined ? SKIPPED_ROW : { ...SKIPPED_ROW, xid };
    }
    const message = readChange(letter, reader, bytes);
    reader.expectEnd();
    return xid === undefined ? message : { ...message, xid };
  }
}

const SKIPPED_ROW: SkippedRow = { kind: "skippedRow" };
