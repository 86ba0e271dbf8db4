import type { CloudEvent } from "../../event/cloud_event.ts";
import { JsonText } from "../../twin/json_text.ts";

/** An event as filters see it. */
export interface FilterableEvent {
  /** A context attribute; extensions that are no strings are JSON numbers or booleans. Undefined where it is not set. */
  attribute(name: string): string | JsonText | undefined;
  /** Undefined where there is none, or none in JSON. */
  readonly body: JsonText | undefined;
}

const TRUE = JsonText.parse("true");

/** An event that is about to be routed. Its body is read when a filter first asks for it, and once. */
export class UnsentEvent implements FilterableEvent {
  readonly #event: CloudEvent;
  #body: JsonText | undefined;

  constructor(event: CloudEvent) {
    this.#event = event;
  }

  attribute(name: string): string | JsonText | undefined {
    const event = this.#event;
    // First those that routes ask for most; a look-up by name costs more.
    switch (name) {
      case "type":
        return event.type;
      case "subject":
        return event.subject || undefined;
      case "source":
        return event.source;
      case "specversion":
        return "1.0";
      case "snapshot":
        return event.snapshot && TRUE;
      case "graph": // neither is an attribute
      case "data":
        return undefined;
      default: {
        const value: unknown = event[name as keyof CloudEvent];
        return typeof value === "string" ? value : undefined;
      }
    }
  }

  get body(): JsonText | undefined {
    return this.#body ??= JsonText.tryParse(this.#event.data);
  }
}

/** An event in CloudEvents' JSON format. */
export class WrittenEvent implements FilterableEvent {
  readonly #members: ReadonlyMap<string, JsonText>;

  /** `json` is an object. */
  constructor(json: JsonText) {
    this.#members = json.members();
  }

  attribute(name: string): string | JsonText | undefined {
    const value = this.#members.get(name);
    return value?.kind === "null" ? undefined : value?.string ?? value;
  }

  get body(): JsonText | undefined {
    return this.#members.get("data");
  }
}
