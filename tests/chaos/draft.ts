/** What is true of a committed twin or relationship. */
export interface Entity {
  /** Its row's graphid. */
  readonly row: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A change of one subject, or what was measured of it, as an event should tell it. */
export interface Entry {
  readonly subject: string;
  /** `Create 7`, `Update 8`, `Telemetry 9` or `Delete`; each state has a number of its own. */
  readonly told: string;
}

/** What a transaction would make of the graph. */
export class Draft {
  readonly entities: Map<string, Entity>;
  readonly entries: Entry[] = [];
  /** Each changes once: runs of changes of one row are merged into one event. */
  readonly changed: Set<string>;

  constructor(entities: ReadonlyMap<string, Entity>, changed: ReadonlySet<string> = new Set()) {
    this.entities = new Map(entities);
    this.changed = new Set(changed);
  }

  put(subject: string, entity: Entity, action: "Create" | "Update"): void {
    this.entities.set(subject, entity);
    this.changed.add(subject);
    this.entries.push({ subject, told: `${action} ${entity.body["n"]}` });
  }

  delete(subject: string): void {
    this.entities.delete(subject);
    this.changed.add(subject);
    this.entries.push({ subject, told: "Delete" });
  }

  measure(subject: string, n: number): void {
    this.entries.push({ subject, told: `Telemetry ${n}` });
  }
}

/** The twin that a subject belongs to, by which events are in order. */
export function keyOf(subject: string): string {
  return subject.split("/", 1)[0] ?? subject;
}
