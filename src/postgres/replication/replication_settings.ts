import type { ConnectionOptions } from "../connection/connection_options.ts";

/** Which changes are read, from where, and by what names PostgreSQL knows the reader. */
export interface ReplicationSettings {
  readonly connection: ConnectionOptions;
  readonly slot: string;
  readonly publication: string;
  /** Default: every graph of the database, those born later too. */
  readonly graphs?: readonly string[];
  /** Whether a slot that has to be created survives a failover to a standby (PostgreSQL 17 and later). */
  readonly failover: boolean;
  /** The server gives the slot to others when it has not heard this router for so many milliseconds; default: its own. */
  readonly walSenderTimeout?: number;
  /** Whether another slot takes the place of one that cannot be used any more; it does not when left out. */
  readonly onSlotLost?: "fail" | "recreate" | "recreate-and-snapshot";
  /** Whether what is there already is told when a slot had to be made; it is not when left out. */
  readonly snapshot?: "initial";
}

/** Whether a graph's changes are wanted. */
export function follows(settings: Pick<ReplicationSettings, "graphs">, graph: string): boolean {
  return settings.graphs === undefined || settings.graphs.includes(graph);
}
