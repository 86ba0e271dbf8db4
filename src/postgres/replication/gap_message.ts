import { z } from "zod";
import { quoteString } from "../connection/quote.ts";
import type { Sql } from "../connection/sql.ts";
import { formatLsn, type Lsn } from "../lsn.ts";
import type { LogicalMessage } from "../wal_message.ts";

/** The prefix of the logical messages by which a router tells itself what it could not see. */
export const GAP_PREFIX = "digitaltwins_eventing.gap";

const schema = z.object({
  /** Of the router that missed it. */
  slot: z.string(),
  reason: z.enum(["slot_lost", "publication_lost"]),
  graphs: z.array(z.string()),
  /** As PostgreSQL writes positions: everything before was settled, and everything after is seen. */
  from: z.string(),
  to: z.string(),
});

/**
 * That changes of some graphs were not seen, written where they are seen again: so the slot itself keeps it until every
 * sink has it.
 */
export type GapMessage = z.output<typeof schema>;

/** What a router knows of a gap before it ends. */
export interface GapBeginning {
  readonly reason: GapMessage["reason"];
  readonly from: Lsn;
  readonly graphs: readonly string[];
}

/** What a logical message of the prefix says; `undefined` if it makes no sense. */
export function readGapMessage({ content }: LogicalMessage): GapMessage | undefined {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(content))).data;
  } catch {
    return undefined;
  }
}

/** SQL that writes it; the gap ends where the slot begins, or else here. */
export function gapStatement(
  slot: string,
  { reason, from, graphs }: GapBeginning,
  endsWithSlot: boolean,
): string {
  const message = quoteString(JSON.stringify({ slot, reason, graphs, from: formatLsn(from) }));
  const end = endsWithSlot
    ? `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = ${quoteString(slot)}`
    : "SELECT pg_current_wal_lsn()";
  return `SELECT pg_logical_emit_message(true, ${quoteString(GAP_PREFIX)}, ` +
    `jsonb_set(${message}::jsonb, '{to}', to_jsonb((${end})::text))::text)`;
}

export async function writeGapMessage(sql: Sql, slot: string, gap: GapBeginning): Promise<void> {
  await sql.unsafe(gapStatement(slot, gap, false));
}
