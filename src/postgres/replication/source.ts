import type { Log } from "../../observe/log.ts";
import type { Connection } from "../connection/connection.ts";
import { formatAddress, type HostAddress } from "../connection/connection_options.ts";
import { chooseServer } from "../connection/choose_server.ts";
import { endOnAbort } from "../connection/end_on_abort.ts";
import { quoteString } from "../connection/quote.ts";
import { type Finding, PreflightError } from "./finding.ts";
import { readGraphCatalog } from "./graph_catalog.ts";
import { identifySystem, type SystemIdentity } from "./identify_system.ts";
import { judgeContinuity } from "./judge_continuity.ts";
import type { LabelWatch } from "./label_watch.ts";
import { gapStatement, writeGapMessage } from "./gap_message.ts";
import { formatLsn } from "../lsn.ts";
import { openConnection } from "../connection/open_connection.ts";
import { preflight } from "./preflight.ts";
import { createPublication, planCreation, publicationScope, readPublication } from "./publication.ts";
import { follows, type ReplicationSettings } from "./replication_settings.ts";
import type { Role } from "./role.ts";
import { readServerFacts, type ServerFacts } from "./server_facts.ts";
import { createSlot, readSlot } from "./slot.ts";
import { findLoss, type SlotLoss } from "./slot_loss.ts";
import type { Earlier, SlotMemory } from "./slot_memory.ts";
import { SnapshotStore } from "../snapshot/snapshot_store.ts";
import { openSql, type Sql } from "../connection/sql.ts";
import { limitWalSenderTimeout } from "./wal_sender_timeout.ts";

/** A server that is ready for START_REPLICATION: connections to it, and everything in it that replication needs. */
export interface Source extends SystemIdentity, AsyncDisposable {
  /** For replication; idle until somebody streams on it. */
  readonly connection: Connection;
  /** For all other SQL, on the same server. */
  readonly sql: Sql;
  /** For SQL of snapshots, which hold up nothing else; waits for no lock longer than a second. */
  readonly snapshotSql: Sql;
  readonly role: Role;
  /** As `server_version_num`. */
  readonly version: number;
  readonly database: string;
  /** How many of the graphs there are that are followed. */
  readonly graphCount: number;
  /** The publication's OID. */
  readonly publication: number;
  /** The slot has been made in the place of one that was lost. */
  readonly isReplacement: boolean;
  /** Milliseconds after which the server ends a connection that it hears nothing from; 0: never. */
  readonly walSenderTimeout: number;
}

/** What outlives a connection. */
export interface SourceContext {
  /** Of the database cluster, once a connection has come so far; then its slot must be there too. */
  readonly systemIdentifier: string | undefined;
  /** Undefined before the first connection. */
  readonly earlier: Earlier | undefined;
  readonly memory: SlotMemory;
  readonly labels: LabelWatch;
  /** Told of everything that is amiss but hinders nothing, every time. */
  readonly warn: (finding: Finding) => void;
  readonly log: Log;
}

/**
 * Connects and makes what is missing, in the order that loses nothing: replica identities, so that a published table
 * still takes updates; the publication, because the slot's WAL is decoded with the catalog of its time; the slot.
 *
 * Throws a `PreflightError` for what somebody has to change, and whatever the connections throw.
 */
export async function openSource(
  settings: ReplicationSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Source> {
  await using resources = new AsyncDisposableStack();
  const address = await chooseServer(settings.connection, signal);
  const sql = openSql(settings.connection, { pin: address });
  resources.defer(() => sql.end({ timeout: 0 }));
  const snapshotSql = openSql(settings.connection, { pin: address, lockTimeout: "1s" });
  resources.use(snapshotSql);
  const { facts, loss, publication } = await prepare(sql, address, settings, context, signal);
  const { server, role, catalog } = facts;
  const graphs = [...catalog.graphs.keys()].filter((graph) => follows(settings, graph));
  const isNew = facts.slot === undefined || loss?.isReplaced === true;
  if (isNew) {
    const beginsWithSnapshot = loss
      ? settings.onSlotLost === "recreate-and-snapshot"
      : settings.snapshot === "initial";
    if (beginsWithSnapshot) {
      using _ = endOnAbort(snapshotSql, signal);
      const store = new SnapshotStore(snapshotSql, settings.slot);
      await store.prepare();
      await store.addInitial();
    }
    const { slot } = settings;
    await createSlot(sql, slot, {
      failover: settings.failover && server.version >= 170_000,
      log: context.log,
      ...(facts.slot && { before: [`SELECT pg_drop_replication_slot(${quoteString(slot)})`] }),
      ...(loss && { after: [gapStatement(slot, { ...loss, graphs }, true)] }),
    }, signal);
    context.log.info(
      `Created slot ${slot}: changes from now on give events, ` +
        (beginsWithSnapshot ? "after a snapshot of what is there" : "earlier ones do not"),
    );
  } else if (loss) {
    await writeGapMessage(sql, settings.slot, { ...loss, graphs });
  }
  const slot = isNew ? await readSlot(sql, settings.slot) : facts.slot;
  if (replacesSlot(settings)) {
    const confirmed = slot?.confirmedFlushLsn ?? 0n;
    await context.memory.keep(sql, server.systemIdentifier, { confirmed, publication });
  }
  const connection = await openConnection(settings.connection, { replication: "database" }, signal, address);
  resources.use(connection);
  const identity = await identifySystem(connection, signal);
  if (identity.systemIdentifier !== server.systemIdentifier) {
    throw new Error(`Cannot use ${formatAddress(address)}: two connections to it end at different servers`);
  }
  const walSenderTimeout = await limitWalSenderTimeout(connection, settings.walSenderTimeout, signal);
  const owned = resources.move();
  return {
    connection,
    sql,
    snapshotSql,
    role,
    version: server.version,
    database: server.database,
    ...identity,
    graphCount: graphs.length,
    publication,
    isReplacement: loss?.isReplaced === true,
    walSenderTimeout,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What was found before anything was made, the publication as it then is, and what is lost. */
interface Prepared {
  readonly facts: ServerFacts;
  readonly loss: SlotLoss | undefined;
  /** Its OID. */
  readonly publication: number;
}

/** All that comes before the slot. */
async function prepare(
  sql: Sql,
  address: HostAddress,
  settings: ReplicationSettings,
  { systemIdentifier, earlier, memory, labels, warn, log }: SourceContext,
  signal: AbortSignal,
): Promise<Prepared> {
  using _ = endOnAbort(sql, signal);
  const facts = await readServerFacts(sql, settings);
  const cluster = facts.server.systemIdentifier;
  const loss = findLoss(facts, earlier ?? await memory.recall(sql, cluster), settings);
  const findings = [
    ...judgeContinuity(facts, systemIdentifier, loss, settings, address),
    ...preflight(loss?.isReplaced ? withoutSlot(facts) : facts, settings),
  ];
  const obstacles = findings.filter(({ severity }) => severity !== "warning");
  if (obstacles.length > 0) {
    const error = new PreflightError(obstacles);
    // Whoever starts next here would take it for the beginning.
    if (
      error.isLoss && systemIdentifier !== undefined && systemIdentifier !== cluster && replacesSlot(settings)
    ) {
      await memory.keep(sql, systemIdentifier, { confirmed: 0n, publication: undefined });
    }
    throw error;
  }
  for (const finding of findings) warn(finding);
  if (loss) {
    const why = loss.reason === "publication_lost"
      ? `publication ${settings.publication} was dropped`
      : facts.slot === undefined
      ? "it is gone"
      : `the server has given it up (${facts.slot.invalidationReason})`;
    log.error(
      `Slot ${settings.slot} does not have all changes any more: ${why}. What changed after ${
        formatLsn(loss.from)
      } and was not delivered gives no events, as a Router.Gap event says`,
    );
  }

  const { role, server: { version } } = facts;
  await labels.keepCurrent({ sql, role, version });
  if (facts.publication === undefined) {
    const scope = publicationScope(settings, role, version, await readGraphCatalog(sql));
    await createPublication(sql, planCreation(scope));
    log.info(`Created publication ${settings.publication}`);
  }
  const publication = facts.publication ?? await readPublication(sql, settings.publication);
  if (!publication) throw new Error(`Cannot go on: publication ${settings.publication} is gone again`);
  return { facts, loss, publication: publication.oid };
}

/** Whether a slot that is lost is made anew. */
function replacesSlot({ onSlotLost = "fail" }: ReplicationSettings): boolean {
  return onSlotLost !== "fail";
}

/** As they will be once it is dropped. */
function withoutSlot(facts: ServerFacts): ServerFacts {
  const { slot, server } = facts;
  const slots = { ...server.slots, used: server.slots.used - (slot ? 1 : 0) };
  return { ...facts, slot: undefined, server: { ...server, slots } };
}
