import type { RowChange } from "../postgres/row_change.ts";
import type { Tuple } from "../postgres/wal_message.ts";
import { readAgtype } from "./agtype.ts";
import { type Identity, identityOf, keptIdentity } from "./identity.ts";
import { type JsonText, JsonTextError } from "./json_text.ts";
import type { Label } from "./label.ts";
import type { RowRun, RowState } from "./row_run.ts";

/**
 * Reads a row change of a label; `undefined` if its new properties are no agtype map. Old ones that are none count as
 * not sent. `onMalformed` is called for each that are none.
 */
export function readRow(
  change: RowChange,
  label: Label,
  traceparent: string | undefined,
  onMalformed: () => void,
): RowRun | undefined {
  const action = ACTIONS[change.kind];
  const { ordinal } = change;
  const old = change.kind === "insert" ? undefined : change.old;
  const before = old && stateIn(old, label, onMalformed);
  if (change.kind === "delete") {
    const rowId = (old ?? change.key)?.text(label.idColumn);
    return { label, rowId, action, before, after: undefined, ordinal, traceparent, isJoined: false };
  }
  const isUnchanged = change.new.kind(label.propertiesColumn) === "unchanged";
  const after = isUnchanged ? before : stateIn(change.new, label, onMalformed, before?.identity);
  if (!after && !isUnchanged) return undefined;
  const rowId = change.new.text(label.idColumn);
  return { label, rowId, action, before, after, ordinal, traceparent, isJoined: false };
}

const ACTIONS = { insert: "create", update: "update", delete: "delete" } as const;

function stateIn(
  row: Tuple,
  label: Label,
  onMalformed: () => void,
  earlier?: Identity,
): RowState | undefined {
  const body = bodyIn(row.text(label.propertiesColumn));
  if (!body) {
    onMalformed();
    return undefined;
  }
  return { body, identity: keptIdentity(identityOf(label, body), earlier) };
}

function bodyIn(properties: string | undefined): JsonText | undefined {
  if (properties === undefined) return undefined;
  try {
    const body = readAgtype(properties);
    return body.kind === "object" ? body : undefined;
  } catch (error) {
    if (error instanceof JsonTextError) return undefined;
    throw error;
  }
}
