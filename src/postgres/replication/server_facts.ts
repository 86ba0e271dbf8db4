import { type GraphCatalog, readGraphCatalog } from "./graph_catalog.ts";
import { type Publication, readPublication } from "./publication.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { readRole, type Role } from "./role.ts";
import { readSlot, type Slot } from "./slot.ts";
import { readStoreRights, type StoreRights } from "../snapshot/snapshot_store.ts";
import type { Sql } from "../connection/sql.ts";

/** All about a database that decides whether, and how, its changes can be read. */
export interface ServerFacts {
  readonly server: ServerState;
  readonly role: Role;
  /** Undefined if there is none of the configured name; so is the publication. */
  readonly slot: Slot | undefined;
  readonly publication: Publication | undefined;
  readonly catalog: GraphCatalog;
  readonly store: StoreRights;
}

export interface ServerState {
  /** As `server_version_num`: 150018 for 15.18. */
  readonly version: number;
  /** Of the database cluster: the same on a primary and its standbys, and on no other. */
  readonly systemIdentifier: string;
  readonly database: string;
  readonly walLevel: string;
  readonly isStandby: boolean;
  readonly slots: { readonly used: number; readonly max: number };
  /** Processes that serve replication connections. */
  readonly senders: { readonly used: number; readonly max: number };
}

export async function readServerFacts(sql: Sql, settings: ReplicationSettings): Promise<ServerFacts> {
  return {
    server: await readServerState(sql),
    role: await readRole(sql),
    slot: await readSlot(sql, settings.slot),
    publication: await readPublication(sql, settings.publication),
    catalog: await readGraphCatalog(sql),
    store: await readStoreRights(sql),
  };
}

async function readServerState(sql: Sql): Promise<ServerState> {
  const [row] = await sql<[ServerRow]>`
    SELECT current_setting('server_version_num')::int AS version,
      (SELECT system_identifier::text FROM pg_control_system()) AS system,
      current_database() AS database,
      current_setting('wal_level') AS wal_level,
      pg_is_in_recovery() AS standby,
      current_setting('max_replication_slots')::int AS max_slots,
      (SELECT count(*)::int FROM pg_replication_slots) AS used_slots,
      current_setting('max_wal_senders')::int AS max_senders,
      (SELECT count(*)::int FROM pg_stat_replication) AS used_senders`;
  return {
    version: row.version,
    systemIdentifier: row.system,
    database: row.database,
    walLevel: row.wal_level,
    isStandby: row.standby,
    slots: { used: row.used_slots, max: row.max_slots },
    senders: { used: row.used_senders, max: row.max_senders },
  };
}

interface ServerRow {
  version: number;
  system: string;
  database: string;
  wal_level: string;
  standby: boolean;
  max_slots: number;
  used_slots: number;
  max_senders: number;
  used_senders: number;
}
