import type { CloudEvent } from "../../src/sink/sink.ts";
import { LONGEST_TOPIC, PLACEHOLDER, type TOPIC_ATTRIBUTES } from "./config.ts";

/**
 * Which topic an event goes to. Where an attribute has characters that no topic's name has, each becomes `_`, and so
 * does an attribute that is empty; a name that is too long is cut. `twins.{type}` may give
 * `twins.Konnektr.DigitalTwins.Twin.Update`.
 */
export class TopicTemplate {
  /** Set where every event goes to the same topic. */
  readonly only: string | undefined;
  readonly #parts: readonly string[];

  constructor(template: string) {
    this.#parts = template.split(PLACEHOLDER); // literal and attribute in turn
    this.only = this.#parts.length === 1 ? template : undefined;
  }

  topicOf(event: CloudEvent): string {
    if (this.only !== undefined) return this.only;
    const name = this.#parts.map((part, index) =>
      index % 2 === 0 ? part : replaced(event[part as (typeof TOPIC_ATTRIBUTES)[number]] ?? "")
    ).join("").slice(0, LONGEST_TOPIC);
    return name === "." || name === ".." ? name.replaceAll(".", "_") : name;
  }
}

function replaced(value: string): string {
  return value === "" ? "_" : value.replace(/[^A-Za-z0-9._-]/gu, "_");
}
