import type { KafkaRecord } from "./record.ts";

/** What a request takes beside its topics and records, and what a topic's name may take. */
const REQUEST_BYTES = 200;
const TOPIC_BYTES = 260;

/** How many bytes a record may have to fit in a request by itself. */
export function roomForRecord(maxBytes: number): number {
  return maxBytes - REQUEST_BYTES - TOPIC_BYTES;
}

/**
 * Takes the next records that may go out together, in order; each fits by itself. What a request has for one partition
 * is taken or refused as a whole, but partitions are so one by one: hence no key has records of two topics in it.
 */
export function nextRequest(
  records: readonly KafkaRecord[],
  maxBytes: number,
): { readonly request: readonly KafkaRecord[]; readonly rest: readonly KafkaRecord[] } {
  const request: KafkaRecord[] = [];
  const rest: KafkaRecord[] = [];
  const topics = new Set<string>();
  /** By key: the topic of its records, or undefined once one of them has to wait. */
  const topicOfKey = new Map<string, string | undefined>();
  let bytes = REQUEST_BYTES;
  for (const record of records) {
    const { key, topic } = record;
    const mayGo = !topicOfKey.has(key) || topicOfKey.get(key) === topic;
    const more = record.bytes + (topics.has(topic) ? 0 : TOPIC_BYTES);
    if (mayGo && bytes + more <= maxBytes) {
      request.push(record);
      topics.add(topic);
      topicOfKey.set(key, topic);
      bytes += more;
    } else {
      rest.push(record);
      topicOfKey.set(key, undefined);
    }
  }
  return { request, rest };
}
