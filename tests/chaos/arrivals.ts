import assert from "node:assert/strict";
import { type Entry, keyOf } from "./draft.ts";
import { historySubjectOf } from "./history_replica.ts";

/** An event as a sink got it. */
export interface Arrival {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Each event once, in the order in which they came; throws if a repeat differs from the first. */
export function firstsOf(arrivals: readonly Arrival[], where: string): readonly Arrival[] {
  const firsts = new Map<string, Arrival>();
  for (const arrival of arrivals) {
    const first = firsts.get(arrival.id);
    if (first) assert.deepEqual(arrival, first, `${where}: a repeat differs from the first`);
    else firsts.set(arrival.id, arrival);
  }
  return [...firsts.values()];
}

/** Throws unless the events tell what was committed, all of it and nothing else, in order for each twin. */
export function verifyArrivals(
  firsts: readonly Arrival[],
  committed: ReadonlyMap<string, readonly Entry[]>,
  where: string,
): void {
  const arrived = Map.groupBy(firsts.flatMap(entryOf), ({ subject }) => keyOf(subject));
  for (const key of new Set([...committed.keys(), ...arrived.keys()])) {
    const expected = committed.get(key) ?? [];
    const actual = arrived.get(key) ?? [];
    const at = Array.from({ length: Math.max(expected.length, actual.length) }, (_, index) => index)
      .find((index) => textOf(expected[index]) !== textOf(actual[index]));
    if (at === undefined) continue;
    const near = (entries: readonly Entry[]) => entries.slice(Math.max(0, at - 2), at + 6).map(textOf);
    assert.deepEqual(
      near(actual),
      near(expected),
      `${where}: change ${at} of ${key} (${actual.length} arrived)`,
    );
  }
}

function textOf(entry: Entry | undefined): string {
  return entry ? `${entry.subject} ${entry.told}` : "nothing";
}

/** Of the history, the number's property stands for the state. */
function entryOf({ type, subject, data }: Arrival): Entry[] {
  const action = type.slice(type.lastIndexOf(".") + 1);
  switch (action) {
    case "Create":
      return [{ subject, told: `Create ${data["n"]}` }];
    case "Update": {
      const patch = data["patch"] as readonly { readonly path: string; readonly value: unknown }[];
      return [{ subject, told: `Update ${patch.find(({ path }) => path === "/n")?.value}` }];
    }
    case "Telemetry":
      return [{ subject: String(data["twin"]), told: `Telemetry ${data["n"]}` }];
    case "Event": {
      if (data["propertyName"] !== "n") return [];
      const told = `${data["operation"] === "Add" ? "Create" : "Update"} ${data["propertyValue"]}`;
      return [{ subject: historySubjectOf(data), told }];
    }
    case "Lifecycle":
      return data["action"] === "Delete" ? [{ subject: historySubjectOf(data), told: "Delete" }] : [];
    default:
      return [{ subject, told: action }];
  }
}
