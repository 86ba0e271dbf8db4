import type { Transaction } from "../postgres/row_change.ts";
import { isSame, isWhole } from "./identity.ts";
import type { IgnoredReason } from "./ignored_rows.ts";
import type { JsonText } from "./json_text.ts";
import type { Label } from "./label.ts";
import { isNobody, type RowRun } from "./row_run.ts";
import type { BodyChange, Entity, TwinChange } from "./twin_change.ts";

/** What a run means for twins, relationships and models: one change, two, or why none. */
export function changesOf(run: RowRun, transaction: Transaction): readonly TwinChange[] | IgnoredReason {
  const { action, before, after } = run;
  if (action === "delete") {
    if (!before) return "delete_without_properties";
    if (!isWhole(before.identity)) return whyNobody(run, before.body);
    return [changeOf(run, transaction, 0, before.identity, { action, before: before.body })];
  }
  if (!after) return "unknown_properties";
  if (!isWhole(after.identity)) return whyNobody(run, after.body);
  const { identity, body } = after;
  if (action === "update" && !before) {
    return [changeOf(run, transaction, 0, identity, { action, after: body })];
  }
  // Whoever was nobody before begins now.
  if (!before || !isWhole(before.identity)) {
    return [changeOf(run, transaction, 0, identity, { action: "create", after: body })];
  }
  if (isSame(before.identity, identity)) {
    return [changeOf(run, transaction, 0, identity, { action: "update", before: before.body, after: body })];
  }
  return [
    changeOf(run, transaction, 0, before.identity, { action: "delete", before: before.body }),
    changeOf(run, transaction, 1, identity, { action: "create", after: body }),
  ];
}

function changeOf(
  { label, rowId, ordinal, traceparent }: RowRun,
  transaction: Transaction,
  part: 0 | 1,
  entity: Entity,
  change: BodyChange,
): TwinChange {
  return {
    kind: "change",
    ...entity,
    ...change,
    transaction,
    position: { commitLsn: transaction.commitLsn, ordinal },
    part,
    graph: label.graph,
    label: label.name,
    rowId,
    ...(traceparent !== undefined && { traceparent }),
  };
}

/** Tells what was never meant to be somebody from what has lost its name. */
function whyNobody(run: RowRun, body: JsonText): IgnoredReason {
  if (!isNobody(run)) return "unknown_source";
  return SIGNS[run.label.kind].some((key) => body.get(key)) || run.label.holdsModels
    ? "no_identity"
    : "nobody";
}

/** Members that a twin or a relationship has beside its name. */
const SIGNS: Readonly<Record<Label["kind"], readonly string[]>> = {
  vertex: ["$metadata"],
  edge: ["$relationshipName", "$sourceId", "$targetId"],
};
