import { type Identity, keptIdentity } from "./identity.ts";
import type { JsonText } from "./json_text.ts";
import type { Label } from "./label.ts";

/** A row as it was or became. */
export interface RowState {
  readonly body: JsonText;
  /** Who it is, by this body or an earlier one; undefined if nobody. */
  readonly identity: Identity | undefined;
}

/** What adjacent changes of one row inside one transaction come to; a single change is a run too. */
export interface RowRun {
  readonly label: Label;
  /** The row's graphid; undefined where it was not sent. */
  readonly rowId: string | undefined;
  readonly action: "create" | "update" | "delete";
  /** The first old state; undefined for a create, and where it is not known. */
  readonly before: RowState | undefined;
  /** The last new state; undefined for a delete, and where it is not known. */
  readonly after: RowState | undefined;
  /** Of the last row message. */
  readonly ordinal: number;
  readonly traceparent: string | undefined;
  /** Whether several changes were joined to it. */
  readonly isJoined: boolean;
}

/**
 * What two runs of one row come to, one right after the other: `nothing`, or `apart` if they stay two changes.
 *
 *     create + update = create     update + update = update     delete + create: apart
 *     create + delete = nothing    update + delete = delete
 */
export function join(earlier: RowRun, later: RowRun): RowRun | "nothing" | "apart" {
  if (earlier.action === "delete" || later.action === "create") return "apart";
  if (later.action === "update") {
    const { action, before } = earlier;
    return { ...later, action, before, after: following(earlier.after, later.after), isJoined: true };
  }
  if (earlier.action === "create") return "nothing";
  // Where the first old state is not known, the one that the delete ended is better than none.
  return { ...later, before: earlier.before ?? later.before ?? earlier.after, isJoined: true };
}

export function isSameRow(a: RowRun, b: RowRun): boolean {
  return a.rowId === b.rowId && a.rowId !== undefined && a.label.oid === b.label.oid;
}

/** Whether no state says who the row is. */
export function isNobody({ before, after }: RowRun): boolean {
  return before?.identity?.id === undefined && after?.identity?.id === undefined;
}

/** Whether the row was inserted and says nothing but who it is. */
export function isStub({ action, after, rowId, isJoined }: RowRun): boolean {
  if (action !== "create" || isJoined || !after?.identity || rowId === undefined) return false;
  if (after.body.size !== 1) return false;
  return after.body.get(NAMING_KEY[after.identity.entity]) !== undefined;
}

const NAMING_KEY = { twin: "$dtId", relationship: "$relationshipId", model: "id" } as const;

/** The later state, with the identity that its body does not say. A value that was not sent is as it was. */
function following(earlier: RowState | undefined, later: RowState | undefined): RowState | undefined {
  if (!earlier || !later) return later ?? earlier;
  return { body: later.body, identity: keptIdentity(later.identity, earlier.identity) };
}
