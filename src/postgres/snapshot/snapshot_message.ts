import { z } from "zod";
import type { LogicalMessage } from "../wal_message.ts";
import type { Sql } from "../connection/sql.ts";
import { type Lsn, parseLsn } from "../lsn.ts";

/** The prefix of the logical messages by which routers talk to themselves. */
export const SNAPSHOT_PREFIX = "digitaltwins_eventing.snapshot";

const request = z.object({
  kind: z.literal("request"),
  /** Of the router that is asked. */
  slot: z.string(),
  /** Of the snapshot. */
  id: z.string().min(1),
  /** The only sink that gets it. */
  sink: z.string().exactOptional(),
  /** Of its events, which ones. */
  filter: z.string().exactOptional(),
});

/** The changes between a chunk's low and high watermark are those that may or may not be in it. */
const watermark = z.object({ kind: z.enum(["low", "high"]), slot: z.string(), chunk: z.string().min(1) });

const schema = z.discriminatedUnion("kind", [request, watermark]);

export type SnapshotMessage = z.output<typeof schema>;
export type SnapshotRequest = z.output<typeof request>;

/** What a logical message of the prefix says; `undefined` if it makes no sense. */
export function readSnapshotMessage({ content }: LogicalMessage): SnapshotMessage | undefined {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(content))).data;
  } catch {
    return undefined;
  }
}

/**
 * Writes a logical message into the WAL, in a transaction of its own; resolves once that is on disk, with the position
 * where it stands.
 */
export async function writeSnapshotMessage(sql: Sql, message: SnapshotMessage): Promise<Lsn> {
  const [row] = await sql<{ lsn: string }[]>`
    SELECT pg_logical_emit_message(true, ${SNAPSHOT_PREFIX}, ${JSON.stringify(message)})::text AS lsn`;
  return parseLsn(row?.lsn ?? "0/0");
}
