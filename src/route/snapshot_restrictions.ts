import type { SnapshotOrigin } from "../twin/twin_change.ts";
import { Filter } from "./filter/filter.ts";
import { FilterError } from "./filter/filter_error.ts";
import type { Restriction } from "./router.ts";

const NO_SINK = -1;

/** Says which events of a snapshot are wanted, by what was asked for. */
export class SnapshotRestrictions {
  /** Indexes by name. */
  #sinks: ReadonlyMap<string, number>;
  /** By snapshot. */
  readonly #known = new Map<string, Restriction>();

  /** @param sinks their names, by index */
  constructor(sinks: readonly string[]) {
    this.#sinks = new Map(sinks.map((name, index) => [name, index]));
  }

  /** From now on there are other sinks. */
  become(indexes: ReadonlyMap<string, number>): void {
    this.#sinks = indexes;
    this.#known.clear();
  }

  /** Why a request cannot be served; undefined if it can. */
  refusal({ sink, filter }: Omit<SnapshotOrigin, "id">): string | undefined {
    if (sink !== undefined && !this.#sinks.has(sink)) return `no sink has the name ${sink}`;
    try {
      if (filter !== undefined) new Filter(filter);
      return undefined;
    } catch (error) {
      if (error instanceof FilterError) return error.message;
      throw error;
    }
  }

  /** Of a request that can be served; a sink that is gone meanwhile gets nothing. */
  of({ id, sink, filter }: SnapshotOrigin): Restriction {
    let restriction = this.#known.get(id);
    if (!restriction) {
      restriction = {
        ...(sink !== undefined && { sink: this.#sinks.get(sink) ?? NO_SINK }),
        ...(filter !== undefined && { filter: new Filter(filter) }),
      };
      this.#known.set(id, restriction);
    }
    return restriction;
  }
}
