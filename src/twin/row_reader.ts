import type { RowChange } from "../postgres/row_change.ts";
import { utf8Text } from "../postgres/utf8.ts";
import type { Tuple } from "../postgres/wal_message.ts";
import { readAgtype } from "./agtype.ts";
import { identityOf, keptIdentity } from "./identity.ts";
import { type JsonText, JsonTextError, LARGEST_BODY, TooManyValuesError } from "./json_text.ts";
import type { Label } from "./label.ts";
import type { RowRun, RowState } from "./row_run.ts";

/** Why a row's properties are not known: they are no agtype map, or have more bytes or values than are read. */
export type Unreadable = "malformed" | "too_large";

/**
 * Reads a row change of a label; `undefined` if the state that it is about cannot be read: the new one, or of a delete the
 * old one. An old one of an update counts as not sent then. `onUnreadable` is called for each that cannot.
 */
export function readRow(
  change: RowChange,
  label: Label,
  traceparent: string | undefined,
  onUnreadable: (why: Unreadable) => void,
): RowRun | undefined {
  const action = ACTIONS[change.kind];
  const { ordinal } = change;
  if (change.kind === "delete") {
    const before = change.old && stateIn(change.old, label, onUnreadable);
    if (change.old && !before) return undefined;
    const rowId = (change.old ?? change.key)?.text(label.idColumn);
    return { label, rowId, action, before, after: undefined, ordinal, traceparent, isJoined: false };
  }
  const isUnchanged = change.new.kind(label.propertiesColumn) === "unchanged";
  const now = isUnchanged ? undefined : stateIn(change.new, label, onUnreadable);
  const old = change.kind === "update" ? change.old : undefined;
  const before = old && stateIn(old, label, onUnreadable, now);
  if (!now && !isUnchanged) return undefined;
  const after = now ? { body: now.body, identity: keptIdentity(now.identity, before?.identity) } : before;
  const rowId = change.new.text(label.idColumn);
  return { label, rowId, action, before, after, ordinal, traceparent, isJoined: false };
}

const ACTIONS = { insert: "create", update: "update", delete: "delete" } as const;

/** `like` is another state of the row, which mostly says the same. */
function stateIn(
  row: Tuple,
  label: Label,
  onUnreadable: (why: Unreadable) => void,
  like?: RowState,
): RowState | undefined {
  const body = bodyIn(row, label.propertiesColumn, like?.body);
  if (typeof body === "string") {
    onUnreadable(body);
    return undefined;
  }
  return { body, identity: identityOf(label, body) };
}

function bodyIn(row: Tuple, column: number, like: JsonText | undefined): JsonText | Unreadable {
  const properties = row.bytes(column);
  if (properties === undefined) return "malformed";
  if (properties.length > LARGEST_BODY) return "too_large";
  try {
    const body = readAgtype(utf8Text(properties), like);
    return body.kind === "object" ? body : "malformed";
  } catch (error) {
    if (error instanceof TooManyValuesError) return "too_large";
    if (error instanceof JsonTextError) return "malformed";
    throw error;
  }
}
