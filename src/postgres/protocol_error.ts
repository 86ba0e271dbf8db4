/** Bytes from the server that do not follow the protocol's grammar. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** Byte offset into the message at which reading failed. */
  readonly offset: number;

  constructor(message: string, offset: number, options?: ErrorOptions) {
    super(`${message} (at byte ${offset})`, options);
    this.offset = offset;
  }
}
