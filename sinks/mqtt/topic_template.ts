import type { CloudEvent } from "../../src/sink/sink.ts";
import { PLACEHOLDER, type TOPIC_ATTRIBUTES } from "./config.ts";

type TopicAttribute = (typeof TOPIC_ATTRIBUTES)[number];

/** What stands for an attribute that an event has not, so that no level of a topic is empty. */
const ABSENT = "_";

/**
 * What no topic may have (U+0000 and the wildcards), what brokers refuse in one (control characters and what Unicode
 * calls noncharacters), and `%`, so that everything can be read back.
 * @see https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html sections 1.5.4 and 4.7
 */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f+#%]|\p{Noncharacter_Code_Point}/gu;

/**
 * A topic in which `{subject}` and its like stand for an event's attributes. Of a value, unsafe characters are
 * percent-encoded as UTF-8. A `/` makes levels in the subject, which is made of them (`<twin>/relationships/<id>`); in
 * other attributes it is encoded, so that each is one level. A `$` that begins a topic, where it is kept for the
 * broker's own, is encoded unless the template itself has it.
 */
export class TopicTemplate {
  /** Literals at even places, names of attributes at odd ones. */
  readonly #parts: readonly string[];

  constructor(template: string) {
    this.#parts = template.split(PLACEHOLDER);
  }

  /** Whether it gives every event the same topic. */
  get isFixed(): boolean {
    return this.#parts.length === 1;
  }

  topicOf(event: CloudEvent): string {
    if (this.isFixed) return this.#parts[0] ?? "";
    let topic = "";
    for (const [place, part] of this.#parts.entries()) {
      if (place % 2 === 0) topic += part;
      else {
        const level = levelOf(event, part as TopicAttribute);
        topic += topic === "" && level.startsWith("$") ? `%24${level.slice(1)}` : level;
      }
    }
    return topic;
  }
}

function levelOf(event: CloudEvent, name: TopicAttribute): string {
  const value = event[name] ?? "";
  if (value === "") return ABSENT;
  const encoded = value.toWellFormed().replace(UNSAFE, percentEncode);
  return name === "subject" ? encoded : encoded.replaceAll("/", "%2F");
}

const encoder = new TextEncoder();

/** Not `encodeURIComponent`, which would leave some of these as they are. */
function percentEncode(character: string): string {
  return [...encoder.encode(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");
}
