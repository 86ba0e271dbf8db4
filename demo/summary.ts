import type { Received } from "./consumer.ts";

/** What a run of the demo has come to. */
export interface Outcome {
  readonly seconds: number;
  /** Twins and relationships that were created, updated or deleted. */
  readonly changes: number;
  readonly received: Received;
  /** The slot's confirmed position, as PostgreSQL writes it. */
  readonly confirmedLsn: string;
}

/** The closing lines, for people. */
export function summary({ seconds, changes, received, confirmedLsn }: Outcome): string[] {
  const { events, repeats, latencies } = received;
  const again = repeats === 0 ? "" : `, ${repeats} of them more than once`;
  const lines = [
    `${seconds.toFixed(1)} s: ${changes} changes written, ${events} events delivered${again}`,
    "",
    ...typeTable(received.types),
    "",
    `Commit to delivered   median ${shown(quantile(latencies, 0.5))}, p99 ${
      shown(quantile(latencies, 0.99))
    }`,
    `WAL confirmed         up to ${confirmedLsn}, ${
      covers(confirmedLsn, received.lastSequence)
        ? "all that was delivered"
        : "not yet all that was delivered"
    }`,
  ];
  return lines.map((line) => line && `  ${line}`);
}

const KINDS = ["Twin", "Relationship"];
const ACTIONS = ["Create", "Update", "Delete"];

/** Events by type, twins beside relationships; below them any that are neither. */
function typeTable(types: ReadonlyMap<string, number>): string[] {
  const named = new Map(
    [...types].map(([type, count]) => [type.replace("Konnektr.DigitalTwins.", ""), count]),
  );
  const cell = (type: string) => `${type.padEnd(20)} ${String(named.get(type) ?? 0).padStart(4)}`;
  const usual = KINDS.flatMap((kind) => ACTIONS.map((action) => `${kind}.${action}`));
  return [
    ...ACTIONS.map((action) => KINDS.map((kind) => cell(`${kind}.${action}`)).join("     ")),
    ...[...named.keys()].filter((type) => !usual.includes(type)).map(cell),
  ];
}

/** The value that this part of the ascending ones does not exceed; undefined without any. */
function quantile(ascending: readonly number[], part: number): number | undefined {
  return ascending[Math.max(0, Math.ceil(part * ascending.length) - 1)];
}

function shown(milliseconds: number | undefined): string {
  return milliseconds === undefined ? "-" : `${milliseconds.toFixed(1)} ms`;
}

/** Whether a confirmed position lies beyond the commit that an event's `sequence` begins with. */
function covers(lsn: string, sequence: string | undefined): boolean {
  const [high = "", low = ""] = lsn.split("/");
  const confirmed = high.padStart(8, "0") + low.padStart(8, "0");
  return sequence === undefined || confirmed.toLowerCase() > sequence.slice(0, 16).toLowerCase();
}
