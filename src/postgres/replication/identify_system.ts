import type { Connection } from "../connection/connection.ts";
import { formatAddress } from "../connection/connection_options.ts";
import { type Lsn, parseLsn } from "../lsn.ts";
import type { Ancestor } from "./stream_chunk.ts";

/** Which database cluster a server is of, and where in its history it stands. */
export interface SystemIdentity {
  /** Of the database cluster: the same on a primary and its standbys, and on no other. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** The timelines that this one comes from, and where each ended. */
  readonly ancestors: readonly Ancestor[];
  /** How far the server had written its WAL. */
  readonly walEnd: Lsn;
}

/**
 * Asks over a connection for replication which cluster is at its other end.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html (IDENTIFY_SYSTEM)
 */
export async function identifySystem(connection: Connection, signal: AbortSignal): Promise<SystemIdentity> {
  const [row] = await connection.query("IDENTIFY_SYSTEM", signal);
  const { systemid, timeline, xlogpos } = row ?? {};
  if (!systemid || !timeline || !xlogpos) {
    throw new Error(`Cannot identify ${formatAddress(connection.address)}: its answer is incomplete`);
  }
  const ancestors = Number(timeline) > 1 ? await readAncestors(connection, Number(timeline), signal) : [];
  return { systemIdentifier: systemid, timeline: Number(timeline), ancestors, walEnd: parseLsn(xlogpos) };
}

/**
 * The server's history file: a line for each earlier timeline, with its number and where it ended.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html (TIMELINE_HISTORY)
 */
async function readAncestors(
  connection: Connection,
  timeline: number,
  signal: AbortSignal,
): Promise<readonly Ancestor[]> {
  const [row] = await connection.query(`TIMELINE_HISTORY ${timeline}`, signal);
  const lines = (row?.content ?? "").matchAll(/^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/gim);
  return [...lines].map(([, number, end = ""]) => ({ timeline: Number(number), end: parseLsn(end) }));
}
