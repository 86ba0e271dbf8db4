import { gapsInPlaceOf, isParkedGap } from "./parked_gap.ts";
import type { Outbox, OutboxRange, ParkedEvent } from "./store/outbox.ts";

/** Of what is in the outbox, what has to go. */
export interface Excess {
  /** So many bytes, and what was parked before this time, in milliseconds since 1970. */
  readonly bytes: number;
  readonly before: number;
}

/** What was dropped. */
export interface Dropped {
  /** Events, without gaps that are part of a new one. */
  readonly events: number;
  /** By how much the outbox is smaller. */
  readonly rows: number;
  readonly bytes: number;
  /** Whether it was enough, or there is no more to drop. */
  readonly isDone: boolean;
}

/** Drops the oldest events of a page of the outbox as far as they are in excess, and puts gaps in their place. */
export async function dropOldest(
  outbox: Outbox,
  sink: string,
  range: OutboxRange,
  excess: Excess,
  gapType: (route: string) => string,
): Promise<Dropped> {
  const page = await outbox.page(sink, range);
  let left = excess.bytes;
  const end = page.findIndex(({ parkedAt, bytes }) => {
    if (left <= 0 && parkedAt >= excess.before) return true;
    left -= bytes;
    return false;
  });
  const rows = end < 0 ? page : page.slice(0, end);
  if (rows.every(isParkedGap)) return { events: 0, rows: 0, bytes: 0, isDone: true };
  const gaps = gapsInPlaceOf(rows, gapType);
  await outbox.replace(sink, rows.map(({ number }) => number), gaps);
  return {
    events: rows.filter((row) => !isParkedGap(row)).length,
    rows: rows.length - gaps.length,
    bytes: sizeOf(rows) - sizeOf(gaps),
    isDone: end >= 0,
  };
}

function sizeOf(rows: readonly ParkedEvent[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0);
}
