import type { SinkErrorKind } from "../../src/sink/sink_error.ts";

/** What refuses: a connection (CONNACK), an event (PUBACK, PUBREC), or an established connection (DISCONNECT). */
export type Refusal = "connect" | "publish" | "disconnect";

/**
 * `topic`: it concerns the topic. Where all events have the same, none will be taken until somebody changes something
 * (`fatal`); where a topic is made of attributes, others may be (`rejected`).
 */
type Verdict = SinkErrorKind | "topic";

interface Reason {
  readonly name: string;
  readonly connect: Verdict;
  readonly publish: Verdict;
  readonly disconnect: Verdict;
}

function reason(name: string, connect: Verdict, publish: Verdict, disconnect: Verdict): Reason {
  return { name, connect, publish, disconnect };
}

/**
 * What a broker's refusal means, MQTT 5 section 2.4. What a code says of a packet that it cannot come with is there for
 * brokers that send it all the same. Below 0x80 are MQTT 3's return codes of a connection; 0x10, No matching
 * subscribers, is success.
 * @see https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
 */
const REASONS: Readonly<Record<number, Reason>> = {
  0x01: reason("unacceptable protocol version", "fatal", "retryable", "retryable"),
  0x02: reason("client identifier rejected", "fatal", "retryable", "retryable"),
  0x03: reason("server unavailable", "retryable", "retryable", "retryable"),
  0x04: reason("bad user name or password", "fatal", "retryable", "retryable"),
  0x05: reason("not authorized", "fatal", "retryable", "retryable"),
  0x80: reason("unspecified error", "retryable", "retryable", "retryable"),
  0x81: reason("malformed packet", "fatal", "rejected", "retryable"),
  0x82: reason("protocol error", "fatal", "rejected", "retryable"),
  0x83: reason("implementation specific error", "retryable", "retryable", "retryable"),
  0x84: reason("unsupported protocol version", "fatal", "fatal", "fatal"),
  0x85: reason("client identifier not valid", "fatal", "fatal", "fatal"),
  0x86: reason("bad user name or password", "fatal", "fatal", "fatal"),
  0x87: reason("not authorized", "fatal", "topic", "fatal"),
  0x88: reason("server unavailable", "retryable", "retryable", "retryable"),
  0x89: reason("server busy", "retryable", "retryable", "retryable"),
  0x8a: reason("banned", "fatal", "fatal", "fatal"),
  0x8b: reason("server shutting down", "retryable", "retryable", "retryable"),
  0x8c: reason("bad authentication method", "fatal", "fatal", "fatal"),
  0x8d: reason("keep alive timeout", "retryable", "retryable", "retryable"),
  0x8e: reason(
    "session taken over by another client of the same clientId",
    "retryable",
    "retryable",
    "retryable",
  ),
  0x90: reason("topic name invalid", "fatal", "topic", "retryable"),
  0x91: reason("packet identifier in use", "retryable", "retryable", "retryable"),
  0x92: reason("packet identifier not found", "retryable", "retryable", "retryable"),
  0x93: reason("receive maximum exceeded", "retryable", "retryable", "retryable"),
  0x94: reason("topic alias invalid", "retryable", "retryable", "retryable"),
  // Of an event that is too large nobody but the event is the cause; but a connection that ends says not which it was.
  0x95: reason("packet too large", "fatal", "rejected", "retryable"),
  0x96: reason("message rate too high", "retryable", "retryable", "retryable"),
  0x97: reason("quota exceeded", "retryable", "retryable", "retryable"),
  0x98: reason("administrative action", "retryable", "retryable", "retryable"),
  0x99: reason("payload format invalid", "fatal", "rejected", "retryable"),
  0x9a: reason("retain not supported", "fatal", "fatal", "fatal"),
  0x9b: reason("QoS not supported", "fatal", "fatal", "fatal"),
  0x9c: reason("use another server", "retryable", "retryable", "retryable"),
  0x9d: reason("server moved", "fatal", "fatal", "fatal"),
  0x9f: reason("connection rate exceeded", "retryable", "retryable", "retryable"),
  0xa0: reason("maximum connect time", "retryable", "retryable", "retryable"),
};

/** What a code means there; one that no specification knows may pass by itself. */
export function verdictOf(
  code: number,
  refusal: Refusal,
  topicIsFixed: boolean,
): { readonly kind: SinkErrorKind; readonly name: string } {
  const hex = `0x${code.toString(16).padStart(2, "0")}`;
  const known = REASONS[code];
  const verdict = known?.[refusal] ?? "retryable";
  return {
    kind: verdict === "topic" ? (topicIsFixed ? "fatal" : "rejected") : verdict,
    name: known ? `${known.name} (${hex})` : `reason code ${hex}`,
  };
}
