interface Waiter {
  readonly condition: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Conditions that somebody waits for; they are looked at whenever something has changed, and nothing polls. */
export class AwaitedConditions {
  readonly #waiters = new Set<Waiter>();
  /** Why nobody is to wait any more. */
  readonly #ending: AbortSignal;

  /** @param ending rejects whatever is waited for once it has aborted */
  constructor(ending: AbortSignal) {
    this.#ending = ending;
    ending.addEventListener("abort", () => {
      for (const waiter of this.#waiters) waiter.reject(ending.reason);
    }, { once: true });
  }

  /** Resolves once the condition holds; rejects with the reason of `signal`'s abort, or of the end. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    if (condition()) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { condition, resolve, reject };
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else if (this.#ending.aborted) reject(this.#ending.reason);
    else signal.addEventListener("abort", onAbort);
    this.#waiters.add(waiter);
    return promise.finally(() => {
      signal.removeEventListener("abort", onAbort);
      this.#waiters.delete(waiter);
    });
  }

  /** Something has changed. */
  look(): void {
    for (const waiter of this.#waiters) {
      if (waiter.condition()) waiter.resolve();
    }
  }
}
