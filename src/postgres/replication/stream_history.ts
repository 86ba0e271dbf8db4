import type { Log } from "../../observe/log.ts";
import { formatAddress } from "../connection/connection_options.ts";
import { formatLsn } from "../lsn.ts";
import { ReplicationProgress } from "./replication_progress.ts";
import type { Earlier } from "./slot_memory.ts";
import type { Source } from "./source.ts";

/** No publication's OID: what the slot holds is older than the one that there is. */
const NO_PUBLICATION = 0;

/** What a stream knows of the server from its connections so far, and how far it has come there. */
export class StreamHistory {
  readonly #log: Log;
  #progress = new ReplicationProgress();
  #systemIdentifier: string | undefined;
  #timeline: number | undefined;
  /** The OID of that which was streamed from last. */
  #publication: number | undefined;
  /** LSNs have come to mean other WAL, and the reader has not been told. */
  #hasOtherHistory = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Of the history that the server has now; another one after `recognise` has seen that it is another. */
  get progress(): ReplicationProgress {
    return this.#progress;
  }

  /** Of the database cluster; undefined before the first connection has come about. */
  get systemIdentifier(): string | undefined {
    return this.#systemIdentifier;
  }

  /** Undefined before the first connection has come about. */
  get earlier(): Earlier | undefined {
    if (this.#systemIdentifier === undefined) return undefined;
    return { confirmed: this.#progress.confirmed, publication: this.#publication };
  }

  /**
   * To be called with every server that has been connected to. If LSNs no longer mean what they did on the connection before,
   * what was confirmed is forgotten.
   */
  recognise({ connection, systemIdentifier, publication, timeline, walEnd }: Source): void {
    this.#systemIdentifier = systemIdentifier;
    this.#publication = publication;
    const before = this.#timeline;
    this.#timeline = timeline;
    if (before === undefined) return;
    // A cluster that was restored to an earlier state may have kept its timeline, but not what we know of: the server
    // sends nothing that it could lose by a crash.
    if (timeline === before && walEnd >= this.#progress.received) return;
    this.#log.warn("The server has another history than before: what the slot holds comes again", {
      host: formatAddress(connection.address),
      timeline: { before, now: timeline },
      confirmed: formatLsn(this.#progress.confirmed),
    });
    this.#progress = new ReplicationProgress();
    this.#hasOtherHistory = true;
  }

  /** Whether LSNs mean what they did when this was last asked: an answer for the reader, who is told of another once. */
  takeContinuity(): boolean {
    const isSame = !this.#hasOtherHistory;
    this.#hasOtherHistory = false;
    return isSame;
  }

  /** To be called when the server cannot decode what the slot holds, for want of a publication at that time. */
  missPublication(): void {
    this.#publication = NO_PUBLICATION;
  }
}
