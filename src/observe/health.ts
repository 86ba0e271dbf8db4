import { messageOf } from "./message_of.ts";
import { Redaction } from "./redaction.ts";

/** How a part of the router is doing: the replication stream, or one sink. */
export interface PartState {
  /** Unique among the parts: `replication`, `sink.Hook`. */
  readonly name: string;
  readonly ready: boolean;
  /** It does its work, but not as it should; no when left out. */
  readonly degraded?: boolean;
  /** One word: `streaming`, `connecting`, `down`. */
  readonly state: string;
  /** When the state began, in milliseconds since 1970. */
  readonly since: number;
  /** For people: why it is so. */
  readonly detail?: string;
  /** Anything countable, by name. */
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>;
}

/** Tells the present state of a part, or of several that come and go, at once and without waiting for anything. */
export type Part = () => PartState | readonly PartState[];

/** What `/readyz` says. */
export interface HealthReport {
  /** True while there are parts and all of them are ready. */
  readonly ready: boolean;
  /** Some part is. */
  readonly degraded: boolean;
  readonly parts: readonly ReportedPart[];
}

/** A part's state with the time as people read it: RFC 3339, UTC. */
export type ReportedPart = Omit<PartState, "since"> & { readonly since: string };

/** Asks every part of the router how it is doing. */
export class Health {
  readonly #parts = new Set<Part>();
  readonly #redaction: Redaction;

  /** @param redaction what no report may show */
  constructor(parts: Iterable<Part> = [], redaction: Redaction = new Redaction()) {
    this.#redaction = redaction;
    for (const part of parts) this.add(part);
  }

  /** Lets one more part count. */
  add(part: Part): void {
    this.#parts.add(part);
  }

  /** The states at this moment. */
  report(): HealthReport {
    const parts = [...this.#parts].flatMap((part) => this.#ask(part));
    return {
      ready: parts.length > 0 && parts.every(({ ready }) => ready),
      degraded: parts.some(({ degraded }) => degraded),
      parts,
    };
  }

  /** A part that cannot even tell its state must not make the whole report fail. */
  #ask(part: Part): readonly ReportedPart[] {
    try {
      return [part()].flat().map((state) => this.#reported(state));
    } catch (error) {
      const detail = messageOf(error);
      const name = part.name || "unknown";
      return [this.#reported({ name, ready: false, state: "unknown", since: Date.now(), detail })];
    }
  }

  #reported({ since, ...state }: PartState): ReportedPart {
    return {
      ...state,
      since: new Date(since).toISOString(),
      ...(state.detail !== undefined && { detail: this.#redaction.apply(state.detail) }),
    };
  }
}
