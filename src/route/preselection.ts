import type { EventFilter } from "./event_filter.ts";
import type { FilterableEvent } from "./filter/filterable_event.ts";

/** Tells which of many filters an event may match, by one look at each attribute that they require something of. */
export class Preselection {
  /** Filters' indexes by attribute and its text. */
  readonly #required = new Map<string, Map<string, number[]>>();
  /** 1 for each filter that requires nothing. */
  readonly #others: Uint8Array;

  /** What has no filter may match anything. */
  constructor(filters: readonly (EventFilter | undefined)[]) {
    this.#others = Uint8Array.from(filters, (filter) => filter?.requirement ? 0 : 1);
    for (const [index, filter] of filters.entries()) {
      if (!filter?.requirement) continue;
      const { attribute, texts } = filter.requirement;
      let byText = this.#required.get(attribute);
      if (!byText) this.#required.set(attribute, byText = new Map());
      for (const text of texts) {
        const indexes = byText.get(text);
        if (indexes) indexes.push(index);
        else byText.set(text, [index]);
      }
    }
  }

  /** 1 for each filter that is to be asked; the others do not match. */
  of(event: FilterableEvent): Uint8Array {
    if (this.#required.size === 0) return this.#others;
    const selected = this.#others.slice();
    for (const [attribute, byText] of this.#required) {
      const value = event.attribute(attribute);
      const indexes = typeof value === "string" ? byText.get(value) : undefined;
      if (indexes) { for (const index of indexes) selected[index] = 1; }
    }
    return selected;
  }
}
