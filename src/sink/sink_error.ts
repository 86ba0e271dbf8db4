/**
 * `retryable`: may be taken later. `rejected`: this event will never be taken. `fatal`: nothing will be taken until
 * somebody changes something.
 */
export type SinkErrorKind = "retryable" | "rejected" | "fatal";

/** Why a sink did not take an event, or cannot be reached, classified once. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  readonly kind: SinkErrorKind;
  /** Milliseconds that the far end asked to wait before another try. */
  readonly retryAfterMs?: number;

  constructor(kind: SinkErrorKind, message: string, options?: ErrorOptions & { retryAfterMs?: number }) {
    super(message, options);
    this.kind = kind;
    if (options?.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}
