import assert from "node:assert/strict";
import { errorCodes } from "kafkajs/src/protocol/error.js";
import {
  KafkaJSConnectionError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  KafkaJSSASLAuthenticationError,
} from "kafkajs/src/errors.js";
import { SinkError } from "../../../src/sink/sink_error.ts";
import { kafkaError } from "../../../sinks/kafka/kafka_errors.ts";
import { isOfATopic, sinkErrorOf } from "../../../sinks/kafka/sink_error_of.ts";

/** What kafkajs calls codes that have another name by now. */
const FORMER_NAMES: Record<string, string> = {
  UNKNOWN: "UNKNOWN_SERVER_ERROR",
  NOT_LEADER_FOR_PARTITION: "NOT_LEADER_OR_FOLLOWER",
  GROUP_LOAD_IN_PROGRESS: "COORDINATOR_LOAD_IN_PROGRESS",
  GROUP_COORDINATOR_NOT_AVAILABLE: "COORDINATOR_NOT_AVAILABLE",
  NOT_COORDINATOR_FOR_GROUP: "NOT_COORDINATOR",
};

function protocolError(code: number, message = "so it is"): Error {
  return new KafkaJSProtocolError({ message, code, type: "ANY", retriable: false });
}

Deno.test("every error that kafkajs knows has its name and kind", () => {
  for (const { code, type } of errorCodes as { code: number; type: string }[]) {
    assert.equal(kafkaError(code).name, FORMER_NAMES[type] ?? type);
  }
});

const KINDS = {
  rejected: [10, 18, 87],
  fatal: [17, 29, 31, 33, 35, 53, 58, 76, 90],
  retryable: [-1, 2, 3, 5, 6, 7, 13, 14, 19, 20, 32, 34, 45, 47, 56, 59, 89, 133, 4711],
} as const;

for (const [kind, codes] of Object.entries(KINDS)) {
  Deno.test(`the errors ${codes.join(", ")} are ${kind}`, () => {
    for (const code of codes) assert.equal(kafkaError(code).kind, kind, kafkaError(code).name);
  });
}

Deno.test("what kafkajs wraps is classified by what it has wrapped", () => {
  const wrap = (error: Error) =>
    new KafkaJSNumberOfRetriesExceeded(new KafkaJSNonRetriableError(error, { cause: error }), {
      retryCount: 1,
      retryTime: 1,
    });
  const cases: [Error, string, RegExp][] = [
    [new KafkaJSConnectionError("Connection error: connect ECONNREFUSED"), "retryable", /ECONNREFUSED$/],
    [protocolError(29), "fatal", /TOPIC_AUTHORIZATION_FAILED \(so it is\)$/],
    [protocolError(-99, "Unknown error code 90"), "fatal", /PRODUCER_FENCED/],
    [new KafkaJSSASLAuthenticationError("no such mechanism"), "fatal", /no such mechanism$/],
    [new SinkError("rejected", "Cannot do it: no"), "rejected", /^Cannot do it: no$/],
    [new TypeError("oh"), "retryable", /^Cannot write: oh$/],
  ];
  for (const [error, kind, message] of cases) {
    for (const each of [error, wrap(error)]) {
      const told = sinkErrorOf(each, "write");
      assert.equal(told.kind, kind, told.message);
      assert.match(told.message, message);
    }
  }
});

Deno.test("an error tells whether a topic alone is to blame", () => {
  assert(isOfATopic(sinkErrorOf(protocolError(3), "write")));
  assert(isOfATopic(sinkErrorOf(protocolError(29), "write")));
  assert(!isOfATopic(sinkErrorOf(protocolError(7), "write")));
  assert(!isOfATopic(sinkErrorOf(new Error("no"), "write")));
});
