import assert from "node:assert/strict";

/** An event of a twin's or relationship's history. */
export interface HistoryEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a consumer of data history knows of a graph. */
export class HistoryReplica {
  /** By subject: the properties, a component's as `component.member`. */
  readonly states = new Map<string, Map<string, unknown>>();

  /** Applies the next event, which has not come before; throws if it does not fit. */
  apply({ type, data }: HistoryEvent): void {
    const subject = historySubjectOf(data);
    const state = this.states.get(subject);
    if (!type.endsWith("Property.Event")) {
      assert.equal(state === undefined, data["action"] === "Create", `${data["action"]} of ${subject}`);
      if (data["action"] === "Create") this.states.set(subject, new Map());
      if (data["action"] === "Delete") this.states.delete(subject);
      return;
    }
    const name = String(data["propertyName"]);
    assert(state, `a property of ${subject}, which is not there`);
    assert.equal(state.has(name), data["operation"] !== "Add", `${data["operation"]} ${name} of ${subject}`);
    if (data["operation"] === "Remove") state.delete(name);
    else state.set(name, data["propertyValue"]);
  }
}

/** As the event notifications of the same change have it. */
export function historySubjectOf(data: HistoryEvent["data"]): string {
  const { relationshipId, twinId, source } = data;
  return relationshipId === undefined
    ? String(twinId)
    : `${twinId ?? source}/relationships/${relationshipId}`;
}
