import type { Checkpoints } from "./checkpoints.ts";
import type { DeadLetterShelf } from "./dead_letter_shelf.ts";
import type { Outbox } from "./outbox.ts";

/**
 * What a router keeps beyond its own life, beside what its slot keeps. Routers may share a store: each is known by its
 * slot. Everything that writes makes what is missing first.
 */
export interface DeliveryStore extends AsyncDisposable {
  /**
   * Makes what is missing, once.
   * @throws {StoreRefusal} when somebody has to change something before that can be
   */
  prepare(): Promise<void>;
  /** What would keep it from being made and written; changes nothing. */
  refusal(): Promise<StoreRefusal | undefined>;
  readonly deadLetters: DeadLetterShelf;
  readonly outbox: Outbox;
  readonly checkpoints: Checkpoints;
}

/** The store cannot be used until somebody changes something. */
export class StoreRefusal extends Error {
  override readonly name = "StoreRefusal";
}
