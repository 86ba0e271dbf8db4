import assert from "node:assert/strict";
import { options } from "../../sinks/webhook/config.ts";
import { createSink } from "../../sinks/webhook/mod.ts";
import { Dispatcher } from "../../src/deliver/dispatcher.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { DeadLetterRecords, LogRecords } from "../support/delivery.ts";
import { freePort } from "../../demo/postgres/free_port.ts";
import {
  readBatchedEvents,
  readHttpBinaryEvent,
  readStructuredEvent,
  type ReceivedEvent,
} from "../support/received_event.ts";
import { routerEvent } from "../support/router_events.ts";
import { until } from "../support/until.ts";
import { type ReceivedRequest, type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";

const EVENTS = 400;
const KEYS = 7;

/** A dispatcher with one webhook, and the events that its far ends took, one after another on the same port. */
class Stream implements AsyncDisposable {
  readonly deadLetters = new DeadLetterRecords();
  readonly log = new LogRecords();
  readonly taken: ReceivedEvent[] = [];
  readonly port = freePort();
  readonly #dispatcher: Dispatcher;
  #isSettled = false;
  #number = 0;

  constructor(other: Record<string, unknown>) {
    const url = `http://127.0.0.1:${this.port}/events`;
    const context = { name: "Hook", baseDirectory: ".", log: this.log };
    const settings = {
      name: "Hook",
      kind: "webhook",
      sink: createSink(options.parse({ url, concurrency: 3, timeout: "5s", ...other }), context),
      maxBatchSize: 20,
      retry: { initial: 1, max: 20, maxAttempts: 10 },
      queue: { maxEvents: 10_000, maxBytes: 2 ** 30 },
    };
    this.#dispatcher = new Dispatcher([settings], {
      deadLetters: this.deadLetters,
      metrics: new Metrics(),
      log: this.log,
      onConfirmable: () => this.#isSettled = true,
    });
  }

  get state(): string {
    return this.#dispatcher.states()[0]?.state ?? "";
  }

  /** Starts a far end that takes what `judge` has no other reply for. */
  listen(judge: (events: readonly ReceivedEvent[]) => Reply | undefined = () => undefined): WebhookReceiver {
    return new WebhookReceiver({
      port: this.port,
      respond: (request) => {
        if (request.method !== "POST") return 204;
        const events = eventsOf(request);
        const reply = judge(events) ?? 204;
        if (reply === 204) this.taken.push(...events);
        return reply;
      },
    });
  }

  start(): void {
    this.#dispatcher.start();
    for (let number = 1; number <= EVENTS; number++) this.enqueue(`room-${number % KEYS}`);
    this.#dispatcher.settle(BigInt(EVENTS));
  }

  enqueue(key: string): void {
    this.#dispatcher.enqueue(routerEvent(key, ++this.#number), [{ sink: 0, route: "all" }]);
  }

  /** Resolves once every event of the start was taken or is a dead letter. */
  settled(): Promise<void> {
    return until(
      () => this.#isSettled,
      () =>
        `every event to be settled; ${this.taken.length} were taken, ${
          JSON.stringify(this.#dispatcher.states())
        }`,
      60_000,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispatcher[Symbol.asyncDispose]();
  }
}

function eventsOf({ headers, body }: ReceivedRequest): ReceivedEvent[] {
  const type = headers.get("content-type") ?? "";
  if (type.startsWith("application/cloudevents-batch")) return readBatchedEvents(body);
  if (type.startsWith("application/cloudevents")) return [readStructuredEvent(body)];
  return [readHttpBinaryEvent(headers, body)];
}

/** Every event of the start but these was taken, and the first arrivals of each key are in commit order. */
function assertComplete(taken: readonly ReceivedEvent[], without: readonly string[] = []): void {
  const ids = new Set(taken.map(({ attributes }) => attributes.id).filter((id) => id.startsWith("room-")));
  const sent = Array.from({ length: EVENTS }, (_, index) => `room-${(index + 1) % KEYS}-${index + 1}`);
  assert.deepEqual([...ids].toSorted(), sent.filter((id) => !without.includes(id)).toSorted());
  for (let key = 0; key < KEYS; key++) {
    const numbers = [...ids].filter((id) => id.startsWith(`room-${key}-`)).map((id) =>
      Number(id.split("-")[2])
    );
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
  }
}

for (const contentMode of ["structured", "binary", "batched"]) {
  const test = (name: string, body: (stream: Stream) => Promise<void>, other: Record<string, unknown> = {}) =>
    Deno.test(`webhook (${contentMode}) ${name}`, async () => {
      await using stream = new Stream({ contentMode, ...other });
      await body(stream);
    });

  test("loses nothing to a far end that is not there yet, stops and starts again", async (stream) => {
    stream.start();
    for (let stop = 1; stop <= 3; stop++) {
      await using receiver = stream.listen();
      await receiver.received(2 * stop);
    }
    await using _receiver = stream.listen();
    await stream.settled();
    assertComplete(stream.taken);
    assert.deepEqual(stream.deadLetters.ids, []);
    assert.equal(stream.state, "connected");
  });

  test("loses nothing to connections that break, before an answer or in it", async (stream) => {
    let requests = 0;
    const broken: Reply[] = [{ raw: "" }, { raw: "HTTP/1.1 20" }, { raw: "HTTP/1.1 503 No\r\n\r\n" }];
    await using _receiver = stream.listen(() => broken[++requests % 8]);
    stream.start();
    await stream.settled();
    assertComplete(stream.taken);
    assert.deepEqual(stream.deadLetters.ids, []);
  });

  test("is down, and sends nothing more, once its credentials are revoked", async (stream) => {
    let requests = 0;
    await using receiver = stream.listen(() => ++requests > 5 ? 401 : undefined);
    stream.start();
    await until(() => stream.state === "down", "the sink to be down");
    const sent = receiver.posts.length;
    assert(sent <= 5 + 3, `${sent} requests`);
    assert.deepEqual(stream.deadLetters.ids, []);
  });

  test("gives up one event that is refused, and delivers the rest", async (stream) => {
    await using _receiver = stream.listen((events) =>
      events.some(({ attributes }) => attributes.id === "room-3-150") ? 422 : undefined
    );
    stream.start();
    await stream.settled();
    assert.deepEqual(stream.deadLetters.ids, ["room-3-150"]);
    assertComplete(stream.taken, ["room-3-150"]);
  });

  test("gives up one event at which the far end fails, and delivers the rest", async (stream) => {
    await using _receiver = stream.listen((events) => {
      if (!events.some(({ attributes }) => attributes.id === "room-3-150")) return undefined;
      stream.enqueue("other"); // as long as others are taken, it is the event and not an outage
      return 500;
    });
    stream.start();
    await stream.settled();
    assert.deepEqual(stream.deadLetters.ids, ["room-3-150"]);
    assertComplete(stream.taken, ["room-3-150"]);
  });

  test("gives up one event that is too large, and delivers the rest", async (stream) => {
    await using _receiver = stream.listen((events) =>
      events.some(({ attributes }) => attributes.id === "room-5-47") || events.length > 4 ? 413 : undefined
    );
    stream.start();
    await stream.settled();
    assert.deepEqual(stream.deadLetters.ids, ["room-5-47"]);
    assertComplete(stream.taken, ["room-5-47"]);
  });

  test("sends again what a slow far end has not answered in time", async (stream) => {
    let requests = 0;
    await using _receiver = stream.listen(() => ++requests === 4 ? "hang" : undefined);
    stream.start();
    await stream.settled();
    assertComplete(stream.taken);
    assert.deepEqual(stream.deadLetters.ids, []);
  }, { timeout: "100ms" });
}
