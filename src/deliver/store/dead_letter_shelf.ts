import type { DeadLetter, DeadLetterStore } from "../dead_letter.ts";

/** A dead letter as it is kept. */
export interface StoredLetter extends Omit<DeadLetter, "event" | "replayOf" | "route" | "kind"> {
  readonly id: number;
  /** `replay`: somebody wants it to be tried again. */
  readonly status: string;
  /** Undefined where another program has written it; so are those that follow. */
  readonly route: string | undefined;
  readonly kind: string | undefined;
  readonly graph: string | undefined;
  /** The event in CloudEvents JSON. */
  readonly event: string | undefined;
}

/** Of letters that are read at once, the bytes of their events; one may be larger. */
export const PAGE_BYTES = 16 * 1024 * 1024;

/** Which letters; all that is left out does not matter. */
export interface LetterQuery {
  readonly ids?: readonly number[];
  readonly sink?: string;
  /** Last tried then or later, in milliseconds since 1970. */
  readonly since?: number;
  readonly status?: "replay";
}

/** Dead letters that can be looked at, tried again and thrown away. Those of other routers are not seen. */
export interface DeadLetterShelf extends DeadLetterStore {
  /**
   * The next letters after this id, in the order of their ids, as many as there is memory for; none if there are no more,
   * or no store yet.
   */
  page(query: LetterQuery, after: number, limit: number): Promise<readonly StoredLetter[]>;
  /** The sinks to which letters are to go again; none if there is no store yet. */
  sinksToReplay(): Promise<readonly string[]>;
  /** Asks for these to be tried again. Returns how many there are. */
  replay(ids: readonly number[]): Promise<number>;
  /** Throws these away. Returns how many there were. */
  drop(ids: readonly number[]): Promise<number>;
}
