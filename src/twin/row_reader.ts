import type { RowChange } from "../postgres/row_change.ts";
import type { Tuple } from "../postgres/wal_message.ts";
import { readAgtype } from "./agtype.ts";
import { identityOf, keptIdentity } from "./identity.ts";
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
  if (change.kind === "delete") {
    const before = change.old && stateIn(change.old, label, onMalformed);
    const rowId = (change.old ?? change.key)?.text(label.idColumn);
    return { label, rowId, action, before, after: undefined, ordinal, traceparent, isJoined: false };
  }
  const isUnchanged = change.new.kind(label.propertiesColumn) === "unchanged";
  const now = isUnchanged ? undefined : stateIn(change.new, label, onMalformed);
  const old = change.kind === "update" ? change.old : undefined;
  const before = old && stateIn(old, label, onMalformed, now);
  if (!now && !isUnchanged) return undefined;
  const after = now ? { body: now.body, identity: keptIdentity(now.identity, before?.identity) } : before;
  const rowId = change.new.text(label.idColumn);
  return { label, rowId, action, before, after, ordinal, traceparent, isJoined: false };
}

const ACTIONS = { insert: "create", update: "update", delete: "delete" } as const;

/** `like` is another state of the row, which mostly says the same. */
function stateIn(row: Tuple, label: Label, onMalformed: () => void, like?: RowState): RowState | undefined {
  const body = bodyIn(row.text(label.propertiesColumn), like?.body);
  if (!body) {
    onMalformed();
    return undefined;
  }
  return { body, identity: identityOf(label, body) };
}

function bodyIn(properties: string | undefined, like: JsonText | undefined): JsonText | undefined {
  if (properties === undefined) return undefined;
  try {
    const body = readAgtype(properties, like);
    return body.kind === "object" ? body : undefined;
  } catch (error) {
    if (error instanceof JsonTextError) return undefined;
    throw error;
  }
}
