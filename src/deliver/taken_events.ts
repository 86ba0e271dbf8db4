import type { CloudEvent } from "../sink/sink.ts";

/** How many are remembered. */
const MOST = 10_000;

/**
 * The newest events that a sink has taken. What it says that it has is by its position, and says little within the
 * transaction that it stands in; but after a crash the outbox may hold events twice, or the stream tell them after it.
 */
export class TakenEvents {
  readonly #identities = new Set<string>();

  add(event: CloudEvent): void {
    const identity = identityOf(event);
    if (identity === undefined) return;
    this.#identities.add(identity);
    if (this.#identities.size <= MOST) return;
    for (const oldest of this.#identities) {
      this.#identities.delete(oldest);
      return;
    }
  }

  has(event: CloudEvent): boolean {
    const identity = identityOf(event);
    return identity !== undefined && this.#identities.has(identity);
  }

  clear(): void {
    this.#identities.clear();
  }
}

/** Undefined for what has no place in the stream: its `id` may be another's, too. */
function identityOf({ sequence, id, source }: CloudEvent): string | undefined {
  return sequence === undefined ? undefined : `${sequence} ${id} ${source}`;
}
