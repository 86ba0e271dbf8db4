import assert from "node:assert/strict";
import fc from "fast-check";
import type { Relation } from "../../src/postgres/row_change.ts";
import type { TwinItem } from "../../src/twin/twin_change.ts";
import {
  agLabel,
  contains,
  deleted,
  inserted,
  message,
  type Step,
  transaction,
  Twin,
  updated,
} from "../support/replicated_builder.ts";
import { describeTwinItems, twinOutcome } from "../support/twin_items.ts";

const seed = 20260101;

/** Properties of a twin or relationship, as far as the model cares for them. */
interface Body {
  readonly $dtId?: string;
  readonly $relationshipId?: string;
  readonly $sourceId?: string;
  readonly n?: number;
}

/** A row change as a database would make it; twins are rows 0 to 4, relationships 5 to 7. */
interface Change {
  readonly row: number;
  readonly before?: Body;
  readonly after?: Body;
}

const command = fc.record({
  row: fc.nat({ max: 7 }),
  isDelete: fc.nat({ max: 4 }).map((n) => n === 0),
  isBare: fc.boolean(),
  name: fc.constantFrom("a", "b", "c", undefined),
  n: fc.nat({ max: 9 }),
  noise: fc.nat({ max: 5 }).map((n) => n === 0),
});

/** The changes that a database would make of random commands. */
const changes = fc.array(command, { maxLength: 25 }).map((commands): readonly (Change | "noise")[] => {
  const table = new Map<number, Body>();
  return commands.flatMap(({ row, isDelete, isBare, name, n, noise }): (Change | "noise")[] => {
    const before = table.get(row);
    const after = isDelete && before ? undefined : {
      ...(row < 5 ? { $dtId: name ?? before?.$dtId ?? "a" } : { $relationshipId: `r${row}` }),
      ...(row >= 5 && name !== undefined && { $sourceId: name }),
      ...(!isBare && { n }),
    };
    if (after) table.set(row, after);
    else table.delete(row);
    return [...(noise ? ["noise" as const] : []), {
      row,
      ...(before && { before }),
      ...(after && { after }),
    }];
  });
});

function stepOf(change: Change | "noise", isFull: boolean): Step {
  if (change === "noise") return inserted(agLabel, 1, null);
  const { row, before, after } = change;
  const table: Relation = row < 5 ? Twin : contains;
  if (!before) return inserted(table, row, after);
  if (!after) return deleted(table, row, isFull ? before : "unsent");
  return updated(table, row, isFull ? before : "unsent", after);
}

function measured(twin: string): Step {
  return message(
    "digitaltwins_telemetry",
    JSON.stringify({ digitalTwinId: twin, messageId: "m", graphName: "digitaltwins", telemetry: 1 }),
  );
}

// The reference: first everything is known, then rows are put together until nothing more can be. Nothing of it is fast.

interface Named {
  readonly body: Body;
  /** The partition key, if it is known. */
  readonly key?: string;
}

interface Group {
  readonly row: number;
  readonly action: "create" | "update" | "delete" | "nothing";
  readonly before?: Named;
  readonly after?: Named;
  readonly ordinal: number;
  /** Partition keys that the group had at any time. */
  readonly keys: readonly string[];
  readonly length: number;
}

function named(body: Body, earlier?: Named): Named {
  const key = body.$dtId ?? body.$sourceId ?? earlier?.key;
  return { body, ...(key !== undefined && { key }) };
}

function groupOf({ row, before, after }: Change, ordinal: number): Group {
  const was = before && named(before);
  const is = after && named(after, was);
  return {
    row,
    action: !before ? "create" : after ? "update" : "delete",
    ...(was && { before: was }),
    ...(is && { after: is }),
    ordinal,
    keys: [was?.key, is?.key].filter((key) => key !== undefined),
    length: 1,
  };
}

/** `undefined` if the two stay apart. */
function together(a: Group, b: Group): Group | undefined {
  if (a.row !== b.row || a.action === "delete" || a.action === "nothing" || b.action === "create") {
    return undefined;
  }
  const after = b.after && named(b.after.body, b.after.key === undefined ? a.after : b.after);
  return {
    row: a.row,
    action: b.action !== "delete" ? a.action : a.action === "create" ? "nothing" : "delete",
    ...(a.before && { before: a.before }),
    ...(after && { after }),
    ordinal: b.ordinal,
    keys: [...a.keys, ...b.keys, ...(after?.key !== undefined ? [after.key] : [])],
    length: a.length + b.length,
  };
}

function isStub({ action, after, length }: Group): boolean {
  return length === 1 && action === "create" && after !== undefined && Object.keys(after.body).length === 1;
}

function reference(list: readonly (Change | "noise")[]): string[] {
  const groups = list.flatMap((change, ordinal) => change === "noise" ? [] : [groupOf(change, ordinal)]);
  for (let at = 0; at + 1 < groups.length;) {
    const joined = together(groups[at] as Group, groups[at + 1] as Group);
    if (joined) groups.splice(at, 2, joined);
    else at++;
  }
  for (let at = groups.length - 1; at >= 0; at--) {
    const stub = groups[at] as Group;
    if (!isStub(stub)) continue;
    const next = groups.findIndex(({ row }, index) => index > at && row === stub.row);
    if (next < 0) continue;
    const key = stub.after?.key;
    const isOvertaken = groups.slice(at + 1, next).some(({ keys }) =>
      key !== undefined && keys.includes(key)
    );
    const joined = isOvertaken ? undefined : together(stub, groups[next] as Group);
    if (joined) {
      groups.splice(next, 1, joined);
      groups.splice(at, 1);
    }
  }
  return groups.flatMap(linesOf);
}

function linesOf({ action, before, after, ordinal }: Group): string[] {
  const line = (action: string, { key, body }: Named, part: string, text: string) =>
    `${action} ${
      body.$dtId ? `twin ${key}` : `relationship ${key}/${body.$relationshipId}`
    } @${ordinal}${part} ${text}`;
  const wasKnown = before?.key !== undefined;
  const isKnown = after?.key !== undefined;
  switch (action) {
    case "nothing":
      return [];
    case "delete":
      return before && wasKnown ? [line("delete", before, "", JSON.stringify(before.body))] : [];
    case "create":
    case "update":
      if (!after || !isKnown) return [];
      if (!before || !wasKnown) return [line("create", after, "", JSON.stringify(after.body))];
      if (before.key === after.key) {
        return [line("update", after, "", `${JSON.stringify(before.body)} → ${JSON.stringify(after.body)}`)];
      }
      return [
        line("delete", before, "", JSON.stringify(before.body)),
        line("create", after, ".1", JSON.stringify(after.body)),
      ];
    default:
      return action satisfies never;
  }
}

function keyOf(item: TwinItem): string | undefined {
  if (item.kind === "telemetry") return item.twinId;
  if (item.kind !== "change") return undefined;
  return item.entity === "relationship" ? item.sourceId : item.id;
}

Deno.test("any transaction gives what putting its changes together at leisure gives", async () => {
  await fc.assert(
    fc.asyncProperty(changes, async (list) => {
      const { items } = await twinOutcome(transaction(list.map((change) => stepOf(change, true))));
      const ordered = items.slice(0, -1).toSorted((a, b) =>
        a.kind === "change" && b.kind === "change"
          ? a.position.ordinal - b.position.ordinal || a.part - b.part
          : 0
      );
      assert.deepEqual(describeTwinItems(ordered), reference(list));
    }),
    { seed, numRuns: 3000 },
  );
});

/** A twin's name, and before which of the changes it sends telemetry. */
const telemetry = fc.array(fc.record({ twin: fc.constantFrom("a", "b", "c"), before: fc.nat({ max: 25 }) }));

Deno.test("changes and telemetry of one partition key never overtake each other", async () => {
  await fc.assert(
    fc.asyncProperty(changes, telemetry, fc.boolean(), async (list, sent, isFull) => {
      const steps = list.flatMap((change, index) => [
        ...sent.filter(({ before }) => before === index).map(({ twin }) => measured(twin)),
        stepOf(change, isFull),
      ]);
      const { items } = await twinOutcome(transaction(steps));
      const newest = new Map<string, number>();
      for (const item of items) {
        const key = keyOf(item);
        if (key === undefined || item.kind === "settle" || item.kind === "snapshot" || !item.position) {
          continue;
        }
        const place = item.position.ordinal + item.part / 2;
        assert(place > (newest.get(key) ?? -1), `${key}: ${describeTwinItems(items).join("\n")}`);
        newest.set(key, place);
      }
    }),
    { seed, numRuns: 2000 },
  );
});

Deno.test("a transaction that is sent again gives the same, whatever was begun before it", async () => {
  await fc.assert(
    fc.asyncProperty(changes, fc.nat(), async (list, cut) => {
      const steps = list.map((change) => stepOf(change, true));
      const whole = transaction(steps);
      const { lines } = await twinOutcome(whole);
      const again = await twinOutcome([...whole.slice(0, cut % whole.length), ...whole]);
      assert.deepEqual(again.lines.slice(again.lines.length - lines.length), lines);
      // What came before the cut is how the whole begins.
      const before = again.lines.slice(0, again.lines.length - lines.length);
      assert.deepEqual(before, lines.slice(0, before.length));
    }),
    { seed, numRuns: 1000 },
  );
});
