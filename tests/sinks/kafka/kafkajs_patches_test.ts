import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import Connection from "kafkajs/src/network/connection.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { patchKafkajs } from "../../../sinks/kafka/kafkajs_patches.ts";
import { until } from "../../support/until.ts";

const DAY = 24 * 60 * 60 * 1_000;

patchKafkajs();

/** The queue of a connection to a broker that answers nothing. */
function silentBroker() {
  const sent: number[] = [];
  const failed: string[] = [];
  const queue = new RequestQueue({
    maxInFlightRequests: null,
    requestTimeout: 300,
    enforceRequestTimeout: true,
    clientId: "test",
    broker: "broker:9092",
    logger: { debug() {} },
    isConnected: () => true,
  });
  const request = (correlationId: number) =>
    queue.push({
      entry: { correlationId, reject: ({ name }: Error) => failed.push(name) },
      expectResponse: true,
      sendRequest: () => sent.push(correlationId),
    });
  return { queue, sent, failed, request, [Symbol.dispose]: () => queue.destroy() };
}

/** The wall clock, until this is disposed of. */
class WallClock implements Disposable {
  readonly #now = Date.now;

  jump(ms: number): void {
    Date.now = () => this.#now() + ms;
  }

  [Symbol.dispose](): void {
    Date.now = this.#now;
  }
}

Deno.test("a request to a silent Kafka broker fails in time, and not before, though somebody sets the clock", async () => {
  for (const jump of [DAY, -DAY]) {
    using wall = new WallClock();
    using broker = silentBroker();
    broker.queue.scheduleRequestTimeoutCheck();
    const begun = performance.now();
    broker.request(1);
    wall.jump(jump);
    await until(() => broker.failed.length > 0, "the request to fail", 5_000);
    assert.deepEqual(broker.failed, ["KafkaJSRequestTimeoutError"]);
    assert(performance.now() - begun > 300, `after ${performance.now() - begun} ms`);
  }
});

Deno.test("a Kafka broker that asks for a rest is left alone so long, and no longer, though somebody sets the clock", async () => {
  for (const jump of [DAY, -DAY]) {
    using wall = new WallClock();
    using broker = silentBroker();
    const begun = performance.now();
    broker.queue.maybeThrottle(200);
    wall.jump(jump);
    broker.request(1);
    assert.deepEqual(broker.sent, []);
    await until(() => broker.sent.length > 0, "the request to be sent", 5_000);
    assert(performance.now() - begun >= 199, `after ${performance.now() - begun} ms`);
  }
});

Deno.test("a Kafka broker is understood on the next connection, wherever the one before broke off", () => {
  const logger = { namespace: () => logger };
  const connection = new Connection({ host: "broker", port: 9092, logger, requestTimeout: 300 });
  const answered: number[] = [];
  connection.requestQueue.fulfillRequest = ({ correlationId }: { readonly correlationId: number }) =>
    answered.push(correlationId);
  const response = (correlationId: number) => {
    const bytes = Buffer.alloc(12);
    bytes.writeInt32BE(8);
    bytes.writeInt32BE(correlationId, 4);
    return bytes;
  };
  const cuts = Array.from({ length: 11 }, (_, index) => index + 1);
  for (const cut of cuts) {
    connection.socket = {};
    connection.processData(response(-1).subarray(0, cut));
    connection.socket = {};
    connection.processData(response(cut));
  }
  assert.deepEqual(answered, cuts);
});
