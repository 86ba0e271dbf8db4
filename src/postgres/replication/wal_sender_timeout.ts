import type { Connection } from "../connection/connection.ts";

/**
 * Sees to it that the server waits for a silent router no longer than `most`, and returns for how long it does; less, or
 * with 0 for ever, is left as it is for this session.
 */
export async function limitWalSenderTimeout(
  connection: Connection,
  most: number | undefined,
  signal: AbortSignal,
): Promise<number> {
  const sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'";
  const [row] = await connection.query(sql, signal);
  const usual = Number(row?.setting ?? 60_000);
  if (most === undefined || (usual > 0 && usual <= most)) return usual;
  await connection.query(`SET wal_sender_timeout = ${most}`, signal);
  return most;
}
