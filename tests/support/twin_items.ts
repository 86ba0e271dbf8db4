import { Metrics } from "../../src/observe/metrics.ts";
import type { Replicated } from "../../src/postgres/row_change.ts";
import type { TwinChange, TwinItem } from "../../src/twin/twin_change.ts";
import { TwinChanges, type TwinChangesOptions } from "../../src/twin/twin_changes.ts";
import { LogRecorder } from "./log_recorder.ts";

/** What `TwinChanges` makes of a stream, what it logs, and how many rows it ignores by reason. */
export interface TwinOutcome {
  readonly items: readonly TwinItem[];
  readonly lines: readonly string[];
  readonly log: readonly string[];
  readonly ignored: Readonly<Record<string, number>>;
}

export async function twinOutcome(
  stream: readonly Replicated[],
  options: Partial<TwinChangesOptions> = {},
): Promise<TwinOutcome> {
  const metrics = new Metrics();
  const log = new LogRecorder();
  const changes = new TwinChanges({ metrics, log, ...options });
  const items: TwinItem[] = [];
  for (const item of stream) changes.push(item, items);
  const { values } = await metrics.ignoredRows.get();
  return {
    items,
    lines: describeTwinItems(items),
    log: log.lines,
    ignored: Object.fromEntries(values.map(({ labels, value }) => [labels.reason, value])),
  };
}

/**
 * A line for each item: `create twin room-a @0 {"$dtId":"room-a"}`, `delete … @3.0`, `gap Twin @2`, `settle`. Bodies are
 * written without white space.
 */
export function describeTwinItems(items: readonly TwinItem[]): string[] {
  return items.map((item) => {
    switch (item.kind) {
      case "settle":
        return "settle";
      case "snapshot":
        return `snapshot ${item.message.kind} @${item.position.ordinal}`;
      case "gap":
        return `gap ${item.label} @${item.position.ordinal}.${item.part}`;
      case "telemetry":
        return `telemetry ${item.twinId} @${item.position?.ordinal} ${compact(item.body)}`;
      case "change":
        return `${item.action} ${item.entity} ${subjectOf(item)} @${item.position.ordinal}` +
          `${item.part === 1 ? ".1" : ""} ${bodyOf(item)}`;
      default:
        return item satisfies never;
    }
  });
}

function subjectOf(change: TwinChange): string {
  return change.entity === "relationship" ? `${change.sourceId}/${change.id}` : change.id;
}

function bodyOf(change: TwinChange): string {
  switch (change.action) {
    case "create":
      return compact(change.after);
    case "update":
      return `${change.before ? compact(change.before) : "?"} → ${compact(change.after)}`;
    case "delete":
      return compact(change.before);
    default:
      return change satisfies never;
  }
}

function compact(body: object): string {
  return JSON.stringify(JSON.parse(`${body}`));
}
