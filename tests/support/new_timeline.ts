import { join } from "node:path";
import type { TwinDatabase } from "./twin_database.ts";
import { until } from "./until.ts";

/**
 * Restarts a database on a new timeline, as a standby that is promoted goes on; it needs `restore_command = 'false'`.
 * Resolves once it can be written to.
 */
export async function beginNewTimeline({ server, sql }: TwinDatabase): Promise<void> {
  await server.stop();
  const signal = join(server.dataDirectory, "recovery.signal");
  const { uid, gid } = await Deno.stat(join(server.dataDirectory, "PG_VERSION"));
  await Deno.writeTextFile(signal, "", { mode: 0o600 });
  if (uid !== null && gid !== null) await Deno.chown(signal, uid, gid);
  await server.start();
  await until(
    () => sql`SELECT WHERE pg_is_in_recovery()`.then(({ length }) => length === 0, () => false),
    "the end of the recovery",
  );
}
