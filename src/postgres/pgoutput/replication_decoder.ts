import { PgoutputDecoder } from "./pgoutput_decoder.ts";
import type { Relation, Replicated } from "../row_change.ts";
import { TransactionAssembler } from "./transaction_assembler.ts";

/**
 * Makes committed changes of what pgoutput sends on one connection: `PgoutputDecoder` and `TransactionAssembler` in one.
 * A new connection needs a new one, because the server then describes every table again.
 */
export class ReplicationDecoder {
  readonly #assembler: TransactionAssembler;
  readonly #decoder: PgoutputDecoder;

  /** See `TransactionAssembler`: a row of a table that is not `interesting` costs next to nothing. */
  constructor(interesting?: (relation: Relation) => boolean) {
    const assembler = new TransactionAssembler(interesting);
    this.#assembler = assembler;
    this.#decoder = new PgoutputDecoder(interesting && { wants: (oid) => assembler.wants(oid) });
  }

  /** Whether more of a transaction is to come: then nothing but its own end may be confirmed. */
  get isInTransaction(): boolean {
    return this.#assembler.isInTransaction;
  }

  /**
   * Takes payloads of XLogData messages, in order and however they are divided, and appends to `out` what follows from
   * them. Throws nothing but a `ProtocolError`; `out` then has all that came before.
   */
  decode(payloads: Iterable<Uint8Array>, out: Replicated[] = []): Replicated[] {
    for (const payload of payloads) this.#assembler.push(this.#decoder.decode(payload), out);
    return out;
  }
}
