import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../../observe/log.ts";
import { type PublishedTable, readGraphCatalog } from "./graph_catalog.ts";
import { describeLabelGaps, findLabelGaps } from "./label_gaps.ts";
import {
  planExtension,
  type Publication,
  type PublicationScope,
  publicationScope,
  readPublication,
} from "./publication.ts";
import { quoteTable } from "../connection/quote.ts";
import { replicaIdentityStatement, setReplicaIdentity } from "./replica_identity.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import type { Role } from "./role.ts";
import type { Sql } from "../connection/sql.ts";
import { sqlState } from "../connection/sql_state.ts";

/** How often to look unasked, in milliseconds. */
const INTERVAL = 15_000;

/** The same while labels are published one by one: what is written to one before it has joined is never seen. */
const LIST_INTERVAL = 2_000;

/** When a table that was busy is tried again; doubled each time, up to the longest. */
const FIRST_RETRY = 30_000;
const LONGEST_RETRY = 10 * 60_000;

/** The connection and role that the watch works with; another one after each reconnect. */
export interface LabelWatchSession {
  readonly sql: Sql;
  readonly role: Role;
  /** As `server_version_num`. */
  readonly version: number;
  /** The OID of the publication that is streamed from. */
  readonly publication: number;
}

/**
 * Keeps what the followed graphs need current while labels and graphs come and go: REPLICA IDENTITY FULL on every label,
 * and every label in a publication that this program made. Whatever it cannot give is named once, with the SQL for
 * somebody who can. Lives as long as the program, across reconnects.
 */
export class LabelWatch {
  readonly #settings: ReplicationSettings;
  readonly #log: Log;
  /** What has been named, by label. */
  readonly #named = new Set<string>();
  /** By label: when a table that was busy is tried again. */
  readonly #retries = new Map<string, { readonly at: number; readonly wait: number }>();
  #wake = Promise.withResolvers<void>();
  #isTold = false;
  #failing = false;

  constructor(settings: ReplicationSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * To be called when `ag_catalog` has changed; the watch looks at once, and soon again: a commit is told before others see
   * it.
   */
  labelsChanged(): void {
    this.#isTold = true;
    this.#wake.resolve();
  }

  /**
   * Looks at once whenever it is told to, and otherwise every few seconds. Resolves when the signal aborts. Calls
   * `onNoPublication` each time there is none any more, or another one: from PostgreSQL 18 on the server then leaves out every change,
   * and says so to nobody but its own log.
   */
  async run(session: LabelWatchSession, signal: AbortSignal, onNoPublication: () => void): Promise<void> {
    let wait = LIST_INTERVAL;
    while (await this.#pause(wait, signal)) {
      const isTold = this.#isTold;
      this.#isTold = false;
      try {
        const publication = await this.keepCurrent(session);
        if (publication === undefined || publication.oid !== session.publication) onNoPublication();
        const isListed = publication?.managed && publication.schemas.size === 0;
        wait = isTold || isListed ? LIST_INTERVAL : INTERVAL;
        this.#failing = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#failing) this.#log.warn("Cannot look after labels; it is tried again", { error });
        this.#failing = true;
      }
    }
  }

  /** Looks once; resolves with the publication as it then is, if there is one. */
  async keepCurrent(session: Omit<LabelWatchSession, "publication">): Promise<Publication | undefined> {
    const { sql } = session;
    const publication = await readPublication(sql, this.#settings.publication);
    const scope = await this.#readScope(session);
    const isOurs = publication === undefined || (publication.managed && publication.owned);
    // First the identity: a published table without one takes no updates by plain SQL. A label that is busy is published
    // all the same, because AGE's own writes pass, and what is not published is never seen.
    for (const table of [...scope.labels, ...isOurs ? scope.agCatalog : []]) {
      if (table.identity !== "full" && table.owned) await this.#identify(sql, table);
    }
    await this.#publish(session);
    this.#nameGaps(scope, publication);
    return publication;
  }

  async #readScope(
    { sql, role, version }: Omit<LabelWatchSession, "publication">,
  ): Promise<PublicationScope> {
    return publicationScope(this.#settings, role, version, await readGraphCatalog(sql));
  }

  async #identify(sql: Sql, table: PublishedTable): Promise<void> {
    const label = quoteTable(table);
    const retry = this.#retries.get(label);
    if (retry && performance.now() < retry.at) return;
    const result = await setReplicaIdentity(sql, table);
    if (result.kind === "set") {
      this.#retries.delete(label);
      if (retry) this.#log.info(`REPLICA IDENTITY FULL is now set on ${label}`);
      return;
    }
    const wait = retry ? Math.min(retry.wait * 2, LONGEST_RETRY) : FIRST_RETRY;
    this.#retries.set(label, { at: performance.now() + wait, wait });
    if (retry) return;
    const reason = result.kind === "busy" ? "a transaction holds it" : result.reason;
    this.#log.warn(
      `Cannot set REPLICA IDENTITY FULL on ${label}: ${reason}; it is tried again later. ` +
        `To do it by hand: ${replicaIdentityStatement(table)};`,
    );
  }

  async #publish(session: Omit<LabelWatchSession, "publication">): Promise<void> {
    const { sql } = session;
    for (let attempt = 1;; attempt++) {
      const publication = await readPublication(sql, this.#settings.publication);
      if (!publication) return;
      const { statements, joining } = planExtension(publication, await this.#readScope(session));
      try {
        for (const statement of statements) await sql.unsafe(statement);
      } catch (error) {
        // A table or schema that is gone again, or that somebody else has added: look anew.
        const hasChanged = ["42P01", "3F000", "42710"].includes(sqlState(error) ?? "");
        if (!hasChanged || attempt === 3) throw error;
        continue;
      }
      return await this.#tellOfEarlierRows(sql, joining);
    }
  }

  async #tellOfEarlierRows(sql: Sql, joined: readonly PublishedTable[]): Promise<void> {
    const late: string[] = [];
    for (const label of joined) if (await holdsRows(sql, label)) late.push(quoteTable(label));
    if (late.length === 0) return;
    this.#log.warn(
      `${late.join(", ")} had rows before publication ${this.#settings.publication} included them: ` +
        "what was written until now gives no events",
    );
  }

  #nameGaps(scope: PublicationScope, publication: Publication | undefined): void {
    const fresh = findLabelGaps(scope, publication).filter(({ label, lacks }) => {
      const key = `${lacks} ${quoteTable(label)}`;
      if (this.#named.has(key)) return false;
      this.#named.add(key);
      return true;
    });
    for (const { problem, remedy } of describeLabelGaps(fresh, scope, publication)) {
      this.#log.warn(`${problem}. ${remedy}`);
    }
  }

  /** False when the signal aborts. */
  async #pause(milliseconds: number, signal: AbortSignal): Promise<boolean> {
    const timer = new AbortController();
    const waited = delay(milliseconds, undefined, { signal: AbortSignal.any([signal, timer.signal]) });
    await Promise.race([waited, this.#wake.promise]).catch(() => {});
    timer.abort();
    await waited.catch(() => {});
    this.#wake = Promise.withResolvers();
    return !signal.aborted;
  }
}

/** Also true if this role may not look. */
async function holdsRows(sql: Sql, table: PublishedTable): Promise<boolean> {
  try {
    const [row] = await sql.unsafe(`SELECT EXISTS (SELECT FROM ONLY ${quoteTable(table)}) AS holds`);
    return row?.holds === true;
  } catch (error) {
    switch (sqlState(error)) {
      case "42P01": // undefined_table
        return false;
      case "42501": // insufficient_privilege
        return true;
      default:
        throw error;
    }
  }
}
