// Not from "kafkajs" itself, which Deno cannot see the errors in.
// @ts-types="kafkajs"
import {
  KafkaJSAggregateError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  KafkaJSSASLAuthenticationError,
  KafkaJSServerDoesNotSupportApiKey,
} from "kafkajs/src/errors.js";
import { SinkError } from "../../src/sink/sink_error.ts";
import { kafkaError } from "./kafka_errors.ts";

/**
 * Why kafkajs failed, classified. Its own word on what can be retried counts for nothing: that all brokers are down is
 * "non-retriable" to it.
 */
export function sinkErrorOf(error: unknown, action: string): SinkError {
  const cause = originOf(error);
  if (cause instanceof SinkError) return cause;
  if (cause instanceof KafkaJSProtocolError) {
    const { name, kind } = kafkaError(codeOf(cause));
    return new SinkError(kind, `Cannot ${action}: ${name} (${cause.message})`, { cause });
  }
  const isFinal = cause instanceof KafkaJSSASLAuthenticationError ||
    cause instanceof KafkaJSServerDoesNotSupportApiKey;
  const state = cause instanceof Error ? cause.message : cause;
  return new SinkError(isFinal ? "fatal" : "retryable", `Cannot ${action}: ${state}`, { cause });
}

/** Of missing topics, illegal ones and those that may not be used: kafkajs then says nothing of the request's others. */
const OF_A_TOPIC = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "INVALID_TOPIC_EXCEPTION",
  "TOPIC_AUTHORIZATION_FAILED",
]);

/** Whether it was one of the topics alone that made everything fail. */
export function isOfATopic({ cause }: SinkError): boolean {
  return cause instanceof KafkaJSProtocolError && OF_A_TOPIC.has(kafkaError(codeOf(cause)).name);
}

/** What kafkajs has wrapped when it gave up. */
function originOf(error: unknown): unknown {
  if (error instanceof KafkaJSAggregateError) return originOf(error.errors[0]);
  const isWrapper = error instanceof KafkaJSNumberOfRetriesExceeded ||
    error instanceof KafkaJSNonRetriableError;
  return isWrapper && error.cause instanceof Error ? originOf(error.cause) : error;
}

/** Codes that kafkajs does not know are in its message alone. */
function codeOf({ code, message }: KafkaJSProtocolError): number {
  return Number(/^Unknown error code (-?\d+)$/.exec(message)?.[1] ?? code);
}
