import type { Log } from "../observe/log.ts";
import { messageOf } from "../observe/message_of.ts";
import type { Lsn } from "../postgres/lsn.ts";
import type { Connected } from "../postgres/replication/stream_chunk.ts";
import type { Clock } from "../sink/clock.ts";
import type { Checkpoints, SinkCheckpoint } from "./store/checkpoints.ts";
import { positionOn, SettledBefore, type StreamPosition } from "./stream_position.ts";

/** Milliseconds between two saves, while there is something new; longer after one that failed. */
const INTERVAL = 1_000;
const LONG_INTERVAL = 30_000;

/** Who knows how far a sink is. */
interface Follower {
  readonly sink: string;
  readonly settledUpTo: StreamPosition | undefined;
}

export interface SinkCheckpointsSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly followers: () => readonly Follower[];
  /** Whether what is settled is this router's to say. */
  readonly mayDeliver: () => boolean;
}

/** What sinks had settled before the router started. */
export interface SettledEarlier {
  readonly bySink: Map<string, SettledBefore>;
  /** The stream has to come past this before it may rely on that. */
  readonly lsn: Lsn | undefined;
}

/** Of which stream checkpoints are. */
export type StreamIdentity = Pick<Connected, "systemIdentifier" | "timeline" | "ancestors" | "walEnd">;

/**
 * Keeps how far each sink is, so that a restart repeats what was settled last and not a whole transaction, or whatever
 * another sink holds up. What cannot be kept is repeated.
 */
export class SinkCheckpoints {
  readonly #store: Checkpoints;
  readonly #surroundings: SinkCheckpointsSurroundings;
  #stream: StreamIdentity | undefined;
  /** By which routes events are told. */
  #routes = "";
  readonly #saved = new Map<string, StreamPosition>();
  #saving: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #hasFailed = false;
  #isClosed = false;

  constructor(store: Checkpoints, surroundings: SinkCheckpointsSurroundings) {
    this.#store = store;
    this.#surroundings = surroundings;
  }

  /** From now on positions are those of this stream. */
  follow(stream: StreamIdentity): void {
    this.#stream = stream;
  }

  /** From now on events are told by other routes: which event of a transaction was the last says nothing among those. */
  routedBy(routes: string): void {
    this.#routes = routes;
  }

  /** By sink, what it had settled before the router started. */
  async load(): Promise<SettledEarlier> {
    const settled = new Map<string, SettledBefore>();
    try {
      const { checkpoints, lsn } = await this.#store.load();
      for (const checkpoint of checkpoints) {
        const [routes, last = ""] = checkpoint.last.split(" ");
        const known = { ...checkpoint, last: routes === this.#routes ? last : "" };
        const position = this.#stream && positionOn(this.#stream, known);
        if (position) settled.set(checkpoint.sink, new SettledBefore(position));
      }
      return { bySink: settled, lsn };
    } catch (error) {
      this.#surroundings.log.warn("Cannot read what was settled before: some of it is repeated", {
        error: messageOf(error),
      });
    }
    return { bySink: settled, lsn: undefined };
  }

  /** Something may be settled. */
  noticed(): void {
    if (this.#isClosed || this.#cancel) return;
    this.#cancel = this.#surroundings.clock.after(this.#hasFailed ? LONG_INTERVAL : INTERVAL, () => {
      this.#cancel = undefined;
      this.#save();
    });
  }

  /** Saves for the last time. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#saving;
    this.#save();
    await this.#saving;
  }

  #save(): void {
    const stream = this.#stream;
    if (this.#saving) return this.noticed(); // for what has moved since
    if (!stream || !this.#surroundings.mayDeliver()) return;
    const moved = new Map<string, StreamPosition>();
    for (const { sink, settledUpTo } of this.#surroundings.followers()) {
      if (settledUpTo && settledUpTo !== this.#saved.get(sink)) {
        moved.set(sink, settledUpTo);
      }
    }
    if (moved.size === 0) return;
    const { systemIdentifier, timeline } = stream;
    const checkpoints = [...moved].map(([sink, { sequence, last }]): SinkCheckpoint => ({
      sink,
      systemIdentifier,
      timeline,
      sequence,
      last: last === undefined ? "" : `${this.#routes} ${last}`,
    }));
    this.#saving = this.#store.save(checkpoints).then(() => {
      this.#hasFailed = false;
      for (const [sink, position] of moved) this.#saved.set(sink, position);
    }, (error: unknown) => {
      this.#hasFailed = true;
      this.#surroundings.log.debug("Cannot keep how far sinks are", { error: messageOf(error) });
      this.noticed();
    }).finally(() => this.#saving = undefined);
  }
}
