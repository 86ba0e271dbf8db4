import type { FailedEvent } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";

/** An event of a batch on its way to a table. */
export interface Row {
  readonly index: number;
  readonly key: string;
  readonly json: string;
}

/** What of a batch did not become durable, and what may not be sent because of it. */
export class Failures {
  readonly #errors = new Map<number, SinkError>();
  /** By key, its first event that failed. */
  readonly #first = new Map<string, { readonly index: number; readonly error: SinkError }>();

  add({ index, key }: Pick<Row, "index" | "key">, error: SinkError): void {
    this.#errors.set(index, error);
    const first = this.#first.get(key);
    if (!first || index < first.index) this.#first.set(key, { index, error });
  }

  /** The rows of which no earlier event of their key failed; the others fail too. */
  sendable(rows: readonly Row[]): readonly Row[] {
    if (this.#first.size === 0) return rows;
    return rows.filter((row) => {
      const first = this.#first.get(row.key);
      if (!first || first.index >= row.index) return true;
      this.add(row, notSent(first.error));
      return false;
    });
  }

  list(): readonly FailedEvent[] {
    return [...this.#errors].sort(([a], [b]) => a - b).map(([index, error]) => ({ index, error }));
  }
}

function notSent({ message, retryAfterMs }: SinkError): SinkError {
  return new SinkError(
    "retryable",
    `${message} (an earlier event; this one was not sent)`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}
