import type { Lsn } from "../lsn.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import type { ServerFacts } from "./server_facts.ts";
import type { Earlier } from "./slot_memory.ts";

/** pgoutput passes over what was written while there was no publication, instead of failing, from this version on. */
const PASSES_OVER_SINCE = 180_000;

/** What the slot should have kept and cannot give any more. */
export interface SlotLoss {
  readonly reason: "slot_lost" | "publication_lost";
  /** What was confirmed last. */
  readonly from: Lsn;
  /** Whether another slot takes its place; else it goes on, and only the gap has to be told. */
  readonly isReplaced: boolean;
}

/** Undefined if nothing is lost, or a person has to decide. */
export function findLoss(
  { slot, publication, server }: ServerFacts,
  earlier: Earlier | undefined,
  { onSlotLost = "fail" }: ReplicationSettings,
): SlotLoss | undefined {
  if (server.isStandby) return undefined;
  if (slot !== undefined && (slot.plugin !== "pgoutput" || slot.database !== server.database)) {
    return undefined;
  }
  const from = slot?.confirmedFlushLsn ?? earlier?.confirmed ?? 0n;
  const isReplaced = onSlotLost !== "fail";
  if (slot === undefined ? earlier !== undefined : slot.invalidationReason !== undefined) {
    return isReplaced ? { reason: "slot_lost", from, isReplaced } : undefined;
  }
  if (slot === undefined) return undefined;
  const hasOther = publication !== undefined && earlier?.publication !== undefined &&
    publication.oid !== earlier.publication;
  if (hasOther && server.version >= PASSES_OVER_SINCE) {
    return { reason: "publication_lost", from, isReplaced: false };
  }
  if (publication !== undefined && !hasOther) return undefined;
  return isReplaced ? { reason: "publication_lost", from, isReplaced } : undefined;
}
