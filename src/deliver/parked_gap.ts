import type { CloudEvent } from "../event/cloud_event.ts";
import { formatLsn } from "../postgres/lsn.ts";
import type { GapReason } from "../event/gap_data.ts";
import type { ParkedEvent } from "./store/outbox.ts";

const REASON: GapReason = "dropped_by_policy";

/** What is missing of one graph. */
interface Missing {
  from: string | undefined;
  to: string | undefined;
  count: number;
}

/** Whether it stands in the place of events that were dropped. */
export function isParkedGap({ event }: ParkedEvent): boolean {
  return event.subject === "" && event.data.startsWith(`{"reason":"${REASON}"`);
}

/**
 * One gap for each graph in the place of events that are dropped, the oldest first. A gap among them becomes part of
 * the new one.
 * @param typeOf the type that a gap has on a route
 */
export function gapsInPlaceOf(
  rows: readonly ParkedEvent[],
  typeOf: (route: string) => string,
): ParkedEvent[] {
  const byGraph = Map.groupBy(rows, ({ graph }) => graph);
  return [...byGraph].flatMap(([graph, rows]) => {
    const [first] = rows;
    const last = rows.at(-1);
    if (!first || !last) return [];
    const all: Missing = { from: undefined, to: undefined, count: 0 };
    for (const { from, to, count } of rows.map(missingBy)) {
      all.from ??= from;
      all.to = to ?? all.to;
      all.count += count;
    }
    const data = JSON.stringify({ reason: REASON, graph, ...all });
    const { source, time, sequence } = last.event;
    const event: CloudEvent = {
      id: crypto.randomUUID(),
      type: typeOf(last.route),
      source,
      subject: "",
      time,
      datacontenttype: "application/json",
      partitionkey: graph,
      graph,
      ...(sequence !== undefined && { sequence }),
      data,
    };
    return [{ ...first, route: last.route, bytes: data.length, event }];
  });
}

function missingBy(row: ParkedEvent): Missing {
  const { event } = row;
  if (isParkedGap(row)) return JSON.parse(event.data);
  const commitLsn = event.sequence?.split("-")[0];
  const lsn = commitLsn === undefined ? undefined : formatLsn(BigInt(`0x${commitLsn}`));
  return { from: lsn, to: lsn, count: 1 };
}
