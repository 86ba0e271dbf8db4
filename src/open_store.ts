import { PostgresStore } from "./deliver/store/postgres_store.ts";
import type { DeliveryStore } from "./deliver/store/delivery_store.ts";
import { SqliteStore } from "./deliver/store/sqlite_store.ts";
import type { Setup } from "./setup.ts";

/** The store that the configuration names; nothing is opened before it is used. */
export function openStore(
  { configuration, replication }: Pick<Setup, "configuration" | "replication">,
): DeliveryStore {
  const { store } = configuration;
  if (store === "postgres") return new PostgresStore(replication.connection, replication.slot);
  return new SqliteStore(store.sqlite, replication.slot);
}
