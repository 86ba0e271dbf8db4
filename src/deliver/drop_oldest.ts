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

/**
 * A page of the outbox; where gaps fill it, because there are many or what comes next is too large to stand beside them,
 * the next page with them, until there are events.
 */
async function pageWithEvents(
  outbox: Outbox,
  sink: string,
  range: OutboxRange,
): Promise<readonly ParkedEvent[]> {
  const rows: ParkedEvent[] = [];
  for (let { after } = range;;) {
    const page = await outbox.page(sink, { ...range, after });
    rows.push(...page);
    const last = page.at(-1);
    if (!last || !page.every(isParkedGap)) return rows;
    after = last.number;
  }
}

/** Drops the oldest events of a page of the outbox as far as they are in excess, and puts gaps in their place. */
export async function dropOldest(
  outbox: Outbox,
  sink: string,
  range: OutboxRange,
  excess: Excess,
  gapType: (route: string) => string,
): Promise<Dropped> {
  const page = await pageWithEvents(outbox, sink, range);
  let left = excess.bytes;
  const end = page.findIndex((row) => {
    if (left <= 0 && row.parkedAt >= excess.before) return true;
    if (!isParkedGap(row)) left -= row.bytes; // a gap stays
    return false;
  });
  const oldest = end < 0 ? page : page.slice(0, end);
  const events = oldest.filter((row) => !isParkedGap(row));
  if (events.length === 0) return { events: 0, rows: 0, bytes: 0, isDone: true };
  const graphs = new Set(events.map(({ graph }) => graph));
  const rows = oldest.filter(({ graph }) => graphs.has(graph));
  const gaps = gapsInPlaceOf(rows, gapType);
  await outbox.replace(sink, rows.map(({ number }) => number), gaps);
  const bytes = sizeOf(rows) - sizeOf(gaps);
  return {
    events: events.length,
    rows: rows.length - gaps.length,
    bytes,
    isDone: end >= 0 && bytes >= excess.bytes,
  };
}

function sizeOf(rows: readonly ParkedEvent[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0);
}
