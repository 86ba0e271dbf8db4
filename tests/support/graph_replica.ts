import rfc6902 from "rfc6902";

/** An event notification as a sink got it. */
export interface Notification {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly snapshot?: boolean;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a consumer of event notifications knows of a graph: the body of each subject, service-made members aside. */
export class GraphReplica {
  readonly #bodies = new Map<string, Record<string, unknown>>();

  /** Applies an event, whether it came before or not. */
  apply({ type, subject, data }: Notification): void {
    if (type.endsWith(".Create")) this.#bodies.set(subject, structuredClone(data));
    else if (type.endsWith(".Delete")) this.#bodies.delete(subject);
    else {
      // Of what is not known yet, a snapshot is to tell.
      const body = this.#bodies.get(subject);
      if (body) rfc6902.applyPatch(body, data["patch"] as rfc6902.Operation[]);
    }
  }

  /** By subject. */
  get bodies(): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
    return this.#bodies;
  }
}
